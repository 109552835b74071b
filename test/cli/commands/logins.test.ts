/** `starling mcp login` and `logout` against a double of the node. */
import { describe, expect, it } from 'vitest';
import { serving } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const URL_SHOWN = 'https://login.example/authorize?state=1';
const WAITING = { id: 'l1', server: 'far', state: 'waiting', url: URL_SHOWN };

describe('starling mcp login', () => {
  it('prints the address alone on standard output, and waits until the login is done', async () => {
    let asked = 0;
    const { stateDir, heard } = await fakeNode({
      answer: ({ method }) => {
        if (method !== 'tools/call') return undefined;
        asked += 1;
        const state = asked < 3 ? 'waiting' : 'done';
        const structuredContent = { ...WAITING, state, expiresAt: Date.now() + 301_000 };
        return { content: [], structuredContent };
      },
    });
    const { code, stdout, stderr } = await run('mcp', 'login', 'far', '--state', stateDir);
    expect([code, stdout]).toEqual([0, `${URL_SHOWN}\n`]);
    expect(stderr).toMatch(/Open this .* within 5m/);
    expect(stderr).toContain('logged in to far');
    expect(
      heard.filter(({ method }) => method === 'tools/call').map(({ params }) => params),
    ).toEqual([
      expect.objectContaining({ name: 'starling__mcp_login', arguments: { server: 'far' } }),
      expect.objectContaining({ arguments: { server: 'far', id: 'l1', timeout_s: 60 } }),
      expect.objectContaining({ arguments: { server: 'far', id: 'l1', timeout_s: 60 } }),
    ]);
  });

  it('shows no address where nobody has to agree', async () => {
    const done = { id: 'l1', server: 'far', state: 'done', expiresAt: 0 };
    const { stateDir } = await fakeNode({ answer: serving({ mcp_login: done }) });
    const { code, stdout } = await run('mcp', 'login', 'far', '--state', stateDir);
    expect([code, stdout]).toEqual([0, '']);
  });

  it('prints no control characters that a server put into its address', async () => {
    const done = { ...WAITING, url: 'https://x/\u001B[2J', expiresAt: Date.now() };
    const { stateDir } = await fakeNode({
      answer: ({ method, params, id }, connection) => {
        if (method !== 'tools/call') return undefined;
        const args = params?.['arguments'] as { readonly id?: string };
        if (args.id === undefined) return { content: [], structuredContent: done };
        return connection.fail(id, { code: -32003, message: 'refused' });
      },
    });
    const { code, stdout } = await run('mcp', 'login', 'far', '--state', stateDir);
    expect(code).toBe(1);
    expect(stdout).not.toContain('\u001B');
  });
});

describe('starling mcp logout', () => {
  it('says whether there was a login', async () => {
    for (const [loggedOut, words] of [
      [true, 'logged out of far'],
      [false, 'there was no login at far'],
    ] as const) {
      const { stateDir } = await fakeNode({
        answer: serving({ mcp_logout: { server: 'far', loggedOut } }),
      });
      const { stdout } = await run('mcp', 'logout', 'far', '--state', stateDir);
      expect(stdout.trim()).toBe(words);
    }
  });
});
