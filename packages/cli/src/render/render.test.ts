import assert from 'node:assert/strict';
import test from 'node:test';
import { plain } from './paint.ts';
import { printable, printableLines } from './printable.ts';
import { renderFacts, renderTable } from './table.ts';
import { formatElapsed, formatShare, formatTime } from './values.ts';

test('a table has columns that line up, and no blanks at the end of a line', () => {
  const text = renderTable(
    [
      { name: 'a', size: 5 },
      { name: 'longer', size: 123 },
    ],
    [
      { head: 'NAME', cell: ({ name }) => name },
      { head: 'SIZE', align: 'right', cell: ({ size }) => String(size) },
      { head: 'LAST', cell: () => 'x' },
    ],
    plain,
  );
  assert.equal(text, ['NAME    SIZE  LAST', 'a          5  x', 'longer   123  x', ''].join('\n'));
});

test('facts stand below each other, several values too', () => {
  const text = renderFacts(
    [
      ['Name', 'x'],
      ['Disks', ['a', 'b']],
      ['Ports', []],
    ],
    plain,
  );
  assert.equal(text, ['Name   x', 'Disks  a', '       b', 'Ports  none', ''].join('\n'));
});

test('no control character of a foreign text reaches the terminal', () => {
  const hostile = 'a\u001b]0;owned\u0007b\u009bc\r\nd\te\u007f';
  assert.equal(printable(hostile), 'a\\x1b]0;owned\\x07b\\x9bc\\x0d\\x0ad\\x09e\\x7f');
  assert.equal(printableLines('a\u001b[1m\nb\tc'), 'a\\x1b[1m\nb\tc');
  assert.equal(printable('Größe 名前 ✓'), 'Größe 名前 ✓');
  const table = renderTable([hostile], [{ head: 'X', cell: (text) => text }], plain);
  assert.ok(!table.includes('\u001b'));
});

test('times and amounts are readable', () => {
  assert.match(formatTime('2025-03-01T12:00:00.000Z'), /^2025-0[23]-\d\d \d\d:\d\d:00$/);
  assert.equal(formatTime('soon'), 'soon');
  assert.equal(formatElapsed(0), '0 s');
  assert.equal(formatElapsed(61_000), '1 min 1 s');
  assert.equal(formatElapsed(3_600_000), '1 h');
  assert.equal(formatElapsed(90_000_000), '1 d 1 h');
  assert.equal(formatShare(2 ** 30, 2 ** 32), '1 GiB of 4 GiB');
});
