/**
 * What may be done to a VM in which state: the one table that the server refuses by, and that the command line
 * and the console explain by (docs/architecture.md, invariant 4).
 *
 *            create            start                shutdown, stop
 *   (none) ─────────▶ off ───────────────▶ running ────────────────▶ off
 *                      ▲                    │    ▲
 *                stop  │ discard-saved      │    │ resume
 *                      │              pause ▼    │
 *                      │                   paused          (also by an I/O error or a full volume)
 *                      │     save           │
 *                     saved ◀───────────────┘ (from running too)      start brings 'saved' back to running
 *
 * 'starting', 'saving' and 'stopping' are seen while an operation is under way; 'unresponsive' is a VM whose QEMU lives
 * and did not answer the daemon that wanted to take it up again.
 */
export const vmStates = [
  'off',
  'starting',
  'running',
  'paused',
  'saving',
  'saved',
  'stopping',
  'unresponsive',
] as const;
export type VmState = (typeof vmStates)[number];

const anyState: readonly VmState[] = vmStates;
const settled: readonly VmState[] = ['off', 'running', 'paused', 'saved'];
const alive: readonly VmState[] = ['running', 'paused'];

/** Action → states in which it is legal. */
export const vmActions = {
  start: ['off', 'saved'],
  shutdown: ['running'],
  stop: ['starting', 'running', 'paused', 'stopping', 'unresponsive'],
  pause: ['running'],
  resume: ['paused'],
  save: ['running', 'paused'],
  reset: ['running', 'paused'],
  'discard-saved': ['saved'],
  delete: ['off', 'saved'],
  rename: settled,
  set: settled,
  // Its files are copied as they lie there: nobody may write to them.
  clone: ['off', 'saved'],
  'disk-add': ['off', 'running', 'paused'],
  'disk-remove': ['off', 'running', 'paused'],
  'disk-accept': ['off', 'saved'],
  'disk-resize': ['off', 'running', 'paused'],
  'port-add': ['off', 'running', 'paused'],
  'port-remove': ['off', 'running', 'paused'],
  'checkpoint-create': settled,
  'checkpoint-apply': settled,
  'checkpoint-delete': settled,
  backup: settled,
  restore: ['off'],
  'reference-create': settled,
  'changes-open': settled,
  'guest-call': ['running'],
  console: [...alive, 'starting', 'stopping'],
  display: [...alive, 'starting', 'stopping'],
  show: anyState,
} as const satisfies Record<string, readonly VmState[]>;

export type VmAction = keyof typeof vmActions;

export function isLegal(action: VmAction, state: VmState): boolean {
  return (vmActions[action] as readonly VmState[]).includes(state);
}
