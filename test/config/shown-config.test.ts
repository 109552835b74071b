/** A configuration as others may see it: no text is shown of which nobody knows that it is no secret. */
import { expect, it } from 'vitest';
import { shownConfig } from '../../src/config/index.ts';

it('shows what names, switches and bounds say', () => {
  const config = {
    name: 'laptop',
    listen: ['/ip4/0.0.0.0/tcp/4040'],
    mdns: false,
    limits: { sessions: 7 },
    log: { level: 'info' },
    mcpServers: { files: { command: 'npx', args: ['-y', '--verbose'] } },
  };
  expect(shownConfig(config)).toEqual({ shown: config, hidden: [] });
});

it('counts what may be a secret, and gives it to who must take it out elsewhere', () => {
  const { shown, hidden } = shownConfig({
    join: 'starling2secretticket',
    mcpServers: {
      search: {
        command: 'node',
        args: ['server.js', '--token', 'ARGSECRET1'],
        env: { KEY: 'ENVSECRET2', REF: '${secret:NAME}' },
        headers: { authorization: 'HEADERSECRET3' },
        oauth: { clientSecret: 'OAUTHSECRET4', scopes: ['read'] },
      },
      remote: { url: 'https://USER5:PASS6@mcp.example:8443/PATH7/sse?key=QUERY8' },
      odd: { url: 'not a url 9' },
    },
    models: {
      providers: {
        gpu: { keyFrom: 'env:GPU_KEY', headers: { 'x-key': 'MODELSECRET10' } },
        far: {
          oauth: { clientSecret: 'CLIENTSECRET12', tokenUrl: 'https://login.example/PATH13' },
        },
      },
    },
    unknownKey: { within: ['UNKNOWNSECRET11'] },
  });
  const text = JSON.stringify(shown);
  expect(text).not.toMatch(/secretticket|SECRET\d|USER5|PASS6|PATH\d+|QUERY8|not a url/);
  expect(hidden).toEqual(
    expect.arrayContaining([
      'starling2secretticket',
      'ARGSECRET1',
      'ENVSECRET2',
      'HEADERSECRET3',
      'OAUTHSECRET4',
      'USER5',
      'PASS6',
      'PATH7',
      'QUERY8',
      'not a url 9',
      'MODELSECRET10',
      'CLIENTSECRET12',
      'PATH13',
      'UNKNOWNSECRET11',
    ]),
  );
  expect(shown).toMatchObject({
    join: '(21 characters, not shown)',
    mcpServers: {
      search: { command: 'node', env: { REF: '${secret:NAME}' }, oauth: { scopes: ['read'] } },
      remote: { url: 'https://mcp.example:8443/…' },
    },
    models: {
      providers: {
        gpu: { keyFrom: 'env:GPU_KEY' },
        far: { oauth: { tokenUrl: 'https://login.example/…' } },
      },
    },
  });
});
