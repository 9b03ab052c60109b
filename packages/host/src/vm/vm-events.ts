/** How the host tells what happened. Types and their words are in the event registry (@corral/core/events). */
export interface EventSubject {
  readonly kind: 'vm' | 'image' | 'host' | 'operation';
  readonly id: string;
  readonly name: string;
}

export type EventData = Readonly<Record<string, string | number | boolean | null>>;

export type EmitEvent = (type: string, subject: EventSubject, data?: EventData) => Promise<void>;
