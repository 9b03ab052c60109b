/** Checked access to the fields of a JSON object that came out of a repository. */
import { isId } from '@corral/core/ids';
import { repositoryErrors } from '../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Reads fields of one object; every mistake is an error that names object and field. */
export class Fields {
  readonly #name: string;
  readonly #value: Json;

  constructor(name: string, value: unknown) {
    this.#name = name;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#wrong('it is no object');
    this.#value = value as Json;
  }

  text(key: string, pattern = /^[\s\S]{0,65536}$/): string {
    const value = this.#value[key];
    if (typeof value !== 'string' || !pattern.test(value)) throw this.#wrong(`field ${key}`);
    return value;
  }

  textOrNull(key: string, pattern?: RegExp): string | null {
    return this.#value[key] === null ? null : this.text(key, pattern);
  }

  id(key: string): string {
    const value = this.text(key);
    if (!isId(value)) throw this.#wrong(`field ${key} is no id`);
    return value;
  }

  count(key: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value[key];
    if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > max) {
      throw this.#wrong(`field ${key}`);
    }
    return value as number;
  }

  flag(key: string): boolean {
    const value = this.#value[key];
    if (typeof value !== 'boolean') throw this.#wrong(`field ${key}`);
    return value;
  }

  object(key: string): Fields {
    return new Fields(`${this.#name}, ${key}`, this.#value[key]);
  }

  list<T>(key: string, read: (item: Fields) => T, max = 1_048_576): T[] {
    return this.#items(key, max).map((item, at) => read(new Fields(`${this.#name}, ${key} ${at}`, item)));
  }

  texts(key: string, pattern: RegExp, max = 4_194_304): string[] {
    return this.#items(key, max).map((item) => {
      if (typeof item !== 'string' || !pattern.test(item)) throw this.#wrong(`field ${key}`);
      return item;
    });
  }

  /** An object of texts, without a prototype: its keys come from outside. */
  dictionary(key: string): Record<string, string> {
    const value = this.object(key).#value;
    const result: Record<string, string> = Object.create(null);
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== 'string') throw this.#wrong(`field ${key}.${name}`);
      result[name] = text;
    }
    return result;
  }

  #items(key: string, max: number): unknown[] {
    const value = this.#value[key];
    if (!Array.isArray(value) || value.length > max) throw this.#wrong(`field ${key}`);
    return value;
  }

  #wrong(reason: string): Error {
    return repositoryErrors['object-damaged']({
      name: this.#name,
      reason: `${reason} is not as the format says`,
    });
  }
}
