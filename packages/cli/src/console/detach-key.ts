/** Ctrl-] leaves the console, as in telnet(1): it is the one byte of the keyboard that never reaches the guest. */
export const detachByte = 0x1d;

export interface Typed {
  /** What goes to the guest. */
  readonly forward: Uint8Array;
  readonly detached: boolean;
}

/** What is typed behind the key is dropped. */
export function untilDetach(typed: Uint8Array): Typed {
  const at = typed.indexOf(detachByte);
  return at === -1 ? { forward: typed, detached: false } : { forward: typed.subarray(0, at), detached: true };
}
