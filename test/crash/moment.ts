/** Moments for what strikes at random: here the time is the point, and no state is waited for. */
export function moment(afterMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, afterMs));
}
