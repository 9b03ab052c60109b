/**
 * What a QEMU binary can do, read from its own schema (QEMU's docs/devel/qapi-code-gen, "Client JSON Protocol
 * introspection") and never guessed from its version: distributions backport, and features are compiled out.
 *
 * The schema's types have no names of their own, only numbers; it is walked from a command or an event.
 */
import type { SchemaEntry } from './commands/machine.ts';

export class QmpFeatures {
  readonly #entries: ReadonlyMap<string, SchemaEntry>;

  constructor(schema: readonly SchemaEntry[]) {
    this.#entries = new Map(schema.map((entry) => [entry.name, entry]));
  }

  hasCommand(command: string): boolean {
    return this.#command(command) !== undefined;
  }

  hasEvent(event: string): boolean {
    return this.#entries.get(event)?.['meta-type'] === 'event';
  }

  /**
   * Whether a command takes a member: `hasArgument('blockdev-mirror', 'copy-mode')`. Further names walk into
   * objects, lists and the cases of a choice: `hasArgument('block-export-add', 'bitmaps', 'node')`.
   */
  hasArgument(command: string, ...path: readonly string[]): boolean {
    return this.#walk(this.#command(command)?.['arg-type'], path).length > 0;
  }

  /** As `hasArgument`, of what the command returns. */
  hasReturn(command: string, ...path: readonly string[]): boolean {
    return this.#walk(this.#command(command)?.['ret-type'], path).length > 0;
  }

  /** Whether the member at `path` may have this value: `hasValue('migrate-set-capabilities', ['capabilities', 'capability'], 'mapped-ram')`. */
  hasValue(command: string, path: readonly string[], value: string): boolean {
    return this.#walk(this.#command(command)?.['arg-type'], path).some((type) => this.#allows(type, value));
  }

  /** Whether the command announces a feature of its own: `hasFeature('device_add', 'json-cli-hotplug')`. */
  hasFeature(command: string, feature: string): boolean {
    return this.#command(command)?.features?.includes(feature) ?? false;
  }

  #command(command: string): SchemaEntry | undefined {
    const entry = this.#entries.get(command);
    return entry?.['meta-type'] === 'command' ? entry : undefined;
  }

  /** The types found at `path` below `type`; several where cases of a choice have a member of the same name. */
  #walk(type: string | undefined, path: readonly string[]): string[] {
    let types = type === undefined ? [] : [type];
    for (const member of path) {
      types = [...new Set(types.flatMap((each) => this.#membersNamed(each, member)))];
    }
    return types;
  }

  #membersNamed(type: string, member: string): string[] {
    return this.#objects(type).flatMap(
      (object) =>
        object.members?.flatMap((each) => (each.name === member && each.type ? [each.type] : [])) ?? [],
    );
  }

  /** Every object that a value of this type can be: itself, its cases, its elements, its alternatives. */
  #objects(type: string, seen = new Set<string>()): SchemaEntry[] {
    const entry = this.#entries.get(type);
    if (!entry || seen.has(type)) return [];
    seen.add(type);
    const below = (types: readonly (string | undefined)[]): SchemaEntry[] =>
      types.flatMap((each) => (each === undefined ? [] : this.#objects(each, seen)));
    switch (entry['meta-type']) {
      case 'object':
        return [entry, ...below(entry.variants?.map((variant) => variant.type) ?? [])];
      case 'array':
        return below([entry['element-type']]);
      case 'alternate':
        return below(entry.members?.map((member) => member.type) ?? []);
      default:
        return [];
    }
  }

  #allows(type: string, value: string): boolean {
    const entry = this.#entries.get(type);
    switch (entry?.['meta-type']) {
      case 'enum':
        return entry.members
          ? entry.members.some((member) => member.name === value)
          : (entry.values?.includes(value) ?? false);
      case 'array':
        return entry['element-type'] !== undefined && this.#allows(entry['element-type'], value);
      case 'alternate':
        return (
          entry.members?.some((member) => member.type !== undefined && this.#allows(member.type, value)) ??
          false
        );
      default:
        return false;
    }
  }
}
