/** Who comes with an access token. */
import { describe, expect, it } from 'vitest';
import { createTokenClients } from '../../../src/gateway/door/token-clients.ts';

describe('who comes with an access token', () => {
  it('may do what the last token says, until that is over', () => {
    const tokens = createTokenClients();
    tokens.came('oauth:ann', { scopes: ['tool:a/*'], expiresAt: 2000 });
    tokens.came('oauth:ann', { scopes: ['tool:b/*'], expiresAt: 3000 });
    expect(tokens.scopesOf('oauth:ann', 2500)).toEqual(['tool:b/*']);
    expect(tokens.scopesOf('oauth:ann', 3000)).toBeUndefined();
    expect(tokens.scopesOf('ann', 2500)).toBeUndefined();
  });

  it('is forgotten where a thousand others came later', () => {
    const tokens = createTokenClients();
    const token = { scopes: ['*'], expiresAt: 3000 };
    for (let index = 0; index <= 1000; index += 1) tokens.came(`oauth:${index}`, token);
    expect(tokens.scopesOf('oauth:0', 1)).toBeUndefined();
    expect(tokens.scopesOf('oauth:1', 1)).toEqual(['*']);
  });
});
