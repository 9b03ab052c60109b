import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../services.ts';
import { Tickets } from './tickets.ts';

const caller: Caller = { name: 'token ci', role: 'operator' };
const refused = { code: 'api.invalid-ticket', status: 401 };

test('a ticket opens one connection to what it was given out for', () => {
  const tickets = new Tickets();
  const ticket = tickets.issue('vm-1', 'console', caller);
  const { vmId, caller: known } = tickets.redeem(ticket, 'console');
  assert.deepEqual([vmId, known], ['vm-1', caller]);
  assert.throws(() => tickets.redeem(ticket, 'console'), refused, 'a second time');
});

test('a ticket that is tried for something else is used up', () => {
  const tickets = new Tickets();
  const ticket = tickets.issue('vm-1', 'console', caller);
  assert.throws(() => tickets.redeem(ticket, 'display'), refused);
  assert.throws(() => tickets.redeem(ticket, 'console'), refused);
});

test('a ticket lives 60 seconds', () => {
  let now = 0;
  const tickets = new Tickets(() => now);
  const [first, second] = [1, 2].map(() => tickets.issue('vm-1', 'display', caller));
  now = 59_999;
  assert.equal(tickets.redeem(first!, 'display').vmId, 'vm-1');
  now = 60_000;
  assert.throws(() => tickets.redeem(second!, 'display'), refused);
});

test('an unknown ticket is refused', () => {
  assert.throws(() => new Tickets().redeem('', 'console'), refused);
});

test('tickets that nobody used are forgotten when their number is reached', () => {
  const tickets = new Tickets(() => 0);
  const first = tickets.issue('vm-1', 'console', caller);
  for (let index = 0; index < 10_000; index += 1) tickets.issue('vm-1', 'console', caller);
  assert.throws(() => tickets.redeem(first, 'console'), refused);
});
