import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventDefinition, eventSeverities, eventTypes, isEventType } from './events.ts';

test('each event has an id of the form resource.what, a severity and words', () => {
  const data = new Proxy({}, { get: (_, key) => [`<${String(key)}>`] });
  for (const type of Object.keys(eventTypes)) {
    assert.match(type, /^[a-z]+\.[a-z]+(-[a-z]+)*$/);
    assert.ok(isEventType(type));
    const definition = eventDefinition(type);
    assert.ok(eventSeverities.includes(definition.severity));
    assert.match(definition.title, /^[A-Z].*[^.]$/);
    assert.match(definition.message('web1', data), /web1/, type);
  }
});

test('what an object inherits is no event type', () => {
  assert.equal(isEventType('toString'), false);
});
