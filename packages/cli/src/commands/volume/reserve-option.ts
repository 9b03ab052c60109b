export const reserve = {
  flags: '--reserve <size>',
  description: 'work that would leave less free is refused',
} as const;
