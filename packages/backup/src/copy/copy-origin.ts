/** A copy says in its notes which point of which repository it is. */
import type { Point } from '../point/point.ts';

export const originNote = 'copiedFrom';

export function originOf(repository: string, point: string): string {
  return `${repository}/${point}`;
}

export function isMatch(copy: Point, repository: string, point: string): boolean {
  return copy.notes[originNote] === originOf(repository, point);
}
