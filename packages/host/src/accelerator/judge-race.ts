/** What follows from the race of the accelerators. Pure. */
import type { Accelerator, RaceResult } from './accelerator-race.ts';

export interface AcceleratorVerdict {
  readonly kind: Accelerator;
  /** How many times faster KVM was than TCG, below 1 if it was slower; a bound if one was stopped; null without a race. */
  readonly ratio: number | null;
  /** For people. */
  readonly reason: string;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export function judgeRace({ kvm, tcg }: RaceResult): AcceleratorVerdict {
  if (kvm.outcome === 'failed') {
    return { kind: 'tcg', ratio: null, reason: `KVM does not work here: ${kvm.reason}` };
  }
  if (tcg.outcome === 'failed') {
    return kvm.outcome === 'finished'
      ? { kind: 'kvm', ratio: null, reason: `A trial guest ended after ${seconds(kvm.ms)}.` }
      : {
          kind: 'tcg',
          ratio: null,
          reason: `No trial guest ended: KVM took more than ${seconds(kvm.ms)}, TCG failed.`,
        };
  }
  const ratio = Math.round((tcg.ms / kvm.ms) * 100) / 100;
  const took = (name: string, run: typeof kvm): string =>
    `${name} took ${run.outcome === 'stopped' ? 'more than ' : ''}${seconds(run.ms)}`;
  const facts = `In a trial run ${took('KVM', kvm)} and ${took('TCG', tcg)}`;
  if (kvm.outcome === 'finished' && (tcg.outcome === 'stopped' || ratio > 1)) {
    return { kind: 'kvm', ratio, reason: `${facts}.` };
  }
  const why = kvm.outcome === 'stopped' && tcg.outcome === 'stopped' ? 'neither ended' : 'KVM is slower here';
  return { kind: 'tcg', ratio, reason: `${facts}: /dev/kvm opens, but ${why}.` };
}
