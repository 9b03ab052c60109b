import assert from 'node:assert/strict';
import { test } from 'node:test';
import { etagOf, parseIfMatch } from './etag.ts';

test('an ETag is read back as the generation it was made of', () => {
  assert.equal(parseIfMatch(etagOf(17)), 17);
});

test('a star means any generation', () => {
  assert.equal(parseIfMatch('*'), null);
});

test('a missing If-Match is asked for, one of another form is refused', () => {
  assert.throws(() => parseIfMatch(undefined), { code: 'api.precondition-required', status: 428 });
  for (const header of ['17', 'W/"17"', '"17", "18"', '""', '"x"']) {
    assert.throws(() => parseIfMatch(header), { code: 'api.invalid-request' }, header);
  }
});
