/** The files of MCP clients, as each client documents them: what becomes of their entries here. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findJsonFault, readJsonc } from '../../src/config/json-syntax.ts';
import { readMcpServers } from '../../src/config/servers/mcp-servers.ts';
import { serversIn } from '../../src/cli/client-files/import-servers.ts';
import { Secret } from '../../src/core/index.ts';

const FILES = resolve(import.meta.dirname, '../fixtures/client-files');
const ENV = { API_KEY: 'from-env' };
const CLIENTS = [
  'claude-desktop',
  'claude-code',
  'cursor',
  'vscode',
  'windsurf',
  'cline',
  'gemini-cli',
  'copilot',
  'zed',
  'lm-studio',
];

function entriesOf(client: string): Readonly<Record<string, unknown>> {
  const text = readFileSync(join(FILES, `${client}.json`), 'utf8');
  expect(findJsonFault(text, 'jsonc')).toBeUndefined();
  const tree = readJsonc(text) as Record<string, Record<string, unknown>>;
  return tree['mcpServers'] ?? tree['servers'] ?? tree['context_servers'] ?? {};
}

/** Secrets shown, and what depends on the machine made the same everywhere. */
function shown(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(shown);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner)]));
}

describe.each(CLIENTS)('the file of %s', (client) => {
  it('is read as its golden file says', () => {
    const servers = readMcpServers(entriesOf(client), { env: ENV, callTimeoutMs: 60_000 });
    const text = JSON.stringify(shown(servers)).replaceAll(process.env['HOME'] ?? '~', '~');
    const golden = readFileSync(join(FILES, `${client}.golden.json`), 'utf8');
    expect(JSON.parse(text)).toEqual(JSON.parse(golden));
  });

  it('is imported with the same entries, and each that can not be used says why', async () => {
    const found = await serversIn({ title: client, path: join(FILES, `${client}.json`) });
    const servers = readMcpServers(entriesOf(client), { env: ENV, callTimeoutMs: 60_000 });
    const usable = Object.entries(servers).flatMap(([name, { type }]) =>
      type === 'unusable' ? [] : [name],
    );
    const imported = found.filter(({ problem }) => problem === undefined);
    expect(imported.map(({ name }) => name)).toEqual(expect.arrayContaining(usable));
    for (const { entry } of imported) expect(JSON.stringify(entry)).not.toContain('null');
  });
});
