/** `${secret:NAME}` in `mcpServers`. */
import { describe, expect, it } from 'vitest';
import { checkMcpServer } from '../../src/config/servers/check-server.ts';
import { readMcpServers } from '../../src/config/servers/mcp-servers.ts';
import type { HttpServer, StdioServer } from '../../src/config/server-types.ts';

function read(entry: object, env: NodeJS.ProcessEnv = {}): { server: unknown; problems: string[] } {
  const { s } = readMcpServers({ s: entry }, { env, callTimeoutMs: 1000 });
  return { server: s, problems: s?.type === 'unusable' ? [...s.problems] : [] };
}

const lookup = (name: string): string => `<${name}>`;

describe('a secret by name', () => {
  it('may stand in env, headers and the client secret, among other text', () => {
    const env = { A: 'x ${secret:ONE}${V}${secret:TWO}' };
    const stdio = read({ command: 'x', env }, { V: '-' });
    const { A } = (stdio.server as StdioServer).env;
    expect([stdio.problems, A?.names()]).toEqual([[], ['ONE', 'TWO']]);
    expect(A?.bind(lookup).reveal()).toBe('x <ONE>-<TWO>');
    expect(() => A?.reveal()).toThrow('the secret ONE is not set');
    const http = read({
      url: 'https://a.example/mcp',
      headers: { 'X-Key': 'Bearer ${secret:ONE}' },
      oauth: { grant: 'client_credentials', clientId: 'c', clientSecret: '${secret:TWO}' },
    });
    const { headers, oauth } = http.server as HttpServer;
    expect(http.problems).toEqual([]);
    expect(headers['X-Key']?.bind(lookup).reveal()).toBe('Bearer <ONE>');
    expect(oauth?.clientSecret?.bind(lookup).reveal()).toBe('<TWO>');
  });

  it('is not looked for in what a variable holds', () => {
    const { server } = read({ command: 'x', env: { A: '${V}' } }, { V: '${secret:ONE}' });
    expect((server as StdioServer).env['A']?.names()).toEqual([]);
  });

  it.each([
    [{ command: '${secret:A}' }, 'command'],
    [{ command: 'x', args: ['--key=${secret:A}'] }, 'args[0]'],
    [{ command: 'x', cwd: '/${secret:A}' }, 'cwd'],
    [{ url: 'https://a.example/${secret:A}' }, 'url'],
    [{ url: 'https://a.example/', oauth: { clientId: '${secret:A}' } }, 'oauth.clientId'],
  ])('is refused where others could see it: %j', (entry, part) => {
    const { problems } = read(entry);
    expect(problems).toContainEqual(
      expect.stringContaining(`mcpServers.s.${part}: others could see a secret here`),
    );
  });

  it.each([
    ['${secret:lower}', 'a secret is named by 1 to 64 of A-Z'],
    ['${secret:}', 'a secret is named by'],
    ['${secret:A:-x}', 'a secret is named by'],
    ['${secret:A', "a ${secret:… lacks its '}'"],
    ['${V:-${secret:A}}', "a secret can't be in another"],
  ])('is told when it is written wrong: %s', (value, problem) => {
    const { problems } = read({ command: 'x', env: { K: value } });
    expect(problems).toEqual([expect.stringContaining(`mcpServers.s.env.K: ${problem}`)]);
  });

  it('leaves nothing to find out for whoever adds the server', () => {
    const entry = { command: 'x', env: { K: '${secret:A}' } };
    expect(checkMcpServer('s', entry, {})).toEqual({ problems: [], unset: [], remarks: [] });
  });
});

it('the passphrase of the key goes to no server, even when a file asks for it', () => {
  const env = { STARLING_PASSPHRASE: 'correct horse' };
  const asked = {
    command: 'x',
    env: { P: '${STARLING_PASSPHRASE}', Q: '${env:STARLING_PASSPHRASE:-}' },
  };
  const { problems } = read(asked, env);
  expect(problems).toEqual([expect.stringContaining('STARLING_PASSPHRASE is not set')]);
  const withDefault = read({ command: 'x', env: { Q: asked.env.Q } }, env);
  expect((withDefault.server as StdioServer).env['Q']?.reveal()).toBe('');
});
