/** Does each upstream MCP server work, or could it start? */
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { McpServer } from '../../config/index.ts';
import type { UpstreamStatus } from '../../gateway/types.ts';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

/** A running node knows of its servers; else each command is looked for, and each URL read. */
export const upstreams: Check = {
  name: 'upstream',
  run: async ({ config, status }) => {
    if (status !== undefined) {
      return status.upstreams.map(findingOf);
    }
    return Promise.all(
      Object.entries(config?.mcpServers ?? {}).map(([name, server]) => checkServer(name, server)),
    );
  },
};

function findingOf(one: UpstreamStatus): Finding {
  const { server, state, tools, error, hint, notes = [] } = one;
  if (state === 'starting') {
    const text = `${server}: ${error ?? 'starting, no answer yet'}`;
    return finding('upstream', 'warn', text, hint ?? 'look again in half a minute');
  }
  if (state !== 'ready' && state !== 'idle') {
    return finding('upstream', 'fail', `${server}: ${error ?? `${state}, no answer yet`}`, hint);
  }
  const odd = [...(error === undefined ? [] : [error]), ...notes];
  const text = `${server}: ${tools} ${tools === 1 ? 'tool' : 'tools'}${odd.map((note) => `; ${note}`).join('')}`;
  return finding('upstream', odd.length === 0 ? 'ok' : 'warn', text);
}

async function checkServer(name: string, server: McpServer): Promise<Finding> {
  const { remarks = [] } = server;
  const found = await lookAt(name, server);
  if (remarks.length === 0 || found.result === 'fail') return found;
  return { ...found, result: 'warn', text: [found.text, ...remarks].join('; ') };
}

async function lookAt(name: string, server: McpServer): Promise<Finding> {
  if (server.type === 'unusable') {
    const text = `${name} can't be used: ${server.problems.join('; ')}`;
    return finding('upstream', 'fail', text, 'correct it in the config file');
  }
  if (server.type !== 'stdio') {
    if (!URL.canParse(server.url)) {
      return finding(
        'upstream',
        'fail',
        `${name}: its url is no URL`,
        `correct mcpServers.${name}.url`,
      );
    }
    return finding(
      'upstream',
      'ok',
      `${name}: ${new URL(server.url).origin}, which starling up will try`,
    );
  }
  const found = await findCommand(server.command);
  return found
    ? finding('upstream', 'ok', `${name}: its command ${server.command} is there`)
    : finding(
        'upstream',
        'fail',
        `${name}: its command ${server.command} was not found`,
        `install it, or correct mcpServers.${name}.command`,
      );
}

async function findCommand(command: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates =
    isAbsolute(command) || command.includes('/')
      ? [command]
      : folders.map((folder) => join(folder, command));
  const endings = process.platform === 'win32' ? ['', '.exe', '.cmd', '.bat'] : [''];
  for (const candidate of candidates) {
    for (const ending of endings) {
      try {
        await access(candidate + ending, constants.X_OK);
        return true;
      } catch {
        // The command is not in this folder; the next one may have it.
        continue;
      }
    }
  }
  return false;
}
