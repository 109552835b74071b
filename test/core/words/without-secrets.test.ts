/** Secrets in what is shown to others: those that are known in every form, and what looks like one. */
import { describe, expect, it } from 'vitest';
import { createSecretRemover } from '../../../src/core/index.ts';

const SECRET = 'p&ss w"rd/+ü';

describe('a known secret', () => {
  const clean = createSecretRemover([SECRET, 'abc', 'inner', 'the inner one']);

  it.each([
    ['as it is', `error: ${SECRET} is wrong`],
    ['in a URL', `https://h/x?q=${encodeURIComponent(SECRET)}`],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['in base64url', Buffer.from(SECRET).toString('base64url')],
    ['in hexadecimal', Buffer.from(SECRET).toString('hex')],
    ['in JSON within a text', JSON.stringify({ key: SECRET })],
  ])('is taken out %s', (_, text) => {
    const cleaned = clean(text);
    expect(cleaned).toContain('***');
    expect(cleaned).not.toContain('w"rd');
    expect(cleaned).not.toContain(Buffer.from(SECRET).toString('hex'));
  });

  it('is taken out of every text of a value, and of the names in it', () => {
    expect(clean({ [SECRET]: [{ deep: `a ${SECRET}` }], n: 1, no: null, yes: true })).toEqual({
      '***': [{ deep: 'a ***' }],
      n: 1,
      no: null,
      yes: true,
    });
  });

  it('leaves nothing of a longer one that holds it', () => {
    expect(clean('say the inner one')).toBe('say ***');
  });

  it('of three characters stands everywhere, and is left', () => {
    expect(clean('abc')).toBe('abc');
  });
});

describe('what has the form of a credential', () => {
  const clean = createSecretRemover([]);

  it.each([
    `starling2${'a'.repeat(60)}`,
    `starling_0123456789ab_${'Zz-_9'.repeat(9).slice(0, 43)}`,
    'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl',
    'Authorization: Bearer abcdefgh.ijklmnop',
    'authorization: basic dXNlcjpwYXNzd29yZA==',
    'postgres://app:hunter2hunter2@db/x',
    'https://mcp.example/sse?api_key=hunter2hunter2&x=1',
    'password=hunter2hunter2',
    '"clientSecret": "hunter2hunter2"',
    'OPENAI_API_KEY: hunter2hunter2',
    'sk-ant-REDACTED',
    'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
    '-----BEGIN PRIVATE KEY-----\nMIGkAgEBBDA\n-----END PRIVATE KEY-----',
  ])('%s is taken out', (text) => {
    const cleaned = clean(text);
    expect(cleaned).toContain('***');
    expect(cleaned).not.toMatch(
      /hunter2|aaaaaaaa|Zz-_9Zz|c2lnbmF0|ijklmnop|dXNlcj|api03-abc|uvwxyz|MIGk/,
    );
  });

  it.each([
    'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK',
    '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp',
    '/ip4/192.0.2.7/tcp/4040',
    'starling key create ci --scope tool:docs/*',
    'the server takes no password',
  ])('%s is none', (text) => {
    expect(clean(text)).toBe(text);
  });
});
