/** Options that choose events. */
export const subject = ['--subject <name>', 'only of this VM, image, ...: name or id'] as const;
export const type = [
  '--type <type>',
  'only of this type, or of all that begin so up to a dot: vm.started, vm',
] as const;
export const severities = ['info', 'warning', 'error'] as const;
export const severityHelp = 'at least this one';
