import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Context } from '../../context.ts';
import { confirmedName } from './confirmed-name.ts';

const loss = { vm: 'web1', backup: 'nightly', createdAt: '2026-01-02T03:04:05.000Z' };

/** Types each answer when its question is on the screen. */
async function asked(answers: readonly string[], isTTY = true): Promise<{ typed: string; screen: string }> {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const stderr = Object.assign(new PassThrough(), { isTTY });
  let screen = '';
  const left = [...answers];
  stderr.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    if (/(\[y\/N\]|name of the VM:) $/.test(screen)) stdin.write(`${left.shift()}\n`);
  });
  const context = { io: { stdin, stderr }, signal: new AbortController().signal } as unknown as Context;
  return { typed: await confirmedName(context, loss), screen };
}

test('it is asked twice, and what is typed is told', async () => {
  const { screen, typed } = await asked(['y', ' web1 ']);
  assert.equal(typed, 'web1');
  assert.match(screen, /All that VM web1 holds now is replaced by backup nightly of 2026-01-02/);
});

test('anything but yes ends it', async () => {
  for (const answer of ['', 'n', 'web1']) await assert.rejects(asked([answer]), { code: 'cli.usage' });
});

test('where nobody can be asked the option is named', async () => {
  await assert.rejects(asked([], false), /--confirm web1/);
});
