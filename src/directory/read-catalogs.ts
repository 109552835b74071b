/** The servers that a peer says it has, in an answer or a document of it, as far as they have the shape of one. */
import { isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import type { ServerCatalog } from './types.ts';

/** Servers that one peer may list. */
const SERVERS_MAX = 1000;
const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const INSTRUCTIONS_LENGTH_MAX = 16_384;

/** What has the shape of a server, once each; their items are whatever was said: the directory checks them. */
export function readCatalogs(servers: Json | undefined): readonly ServerCatalog[] {
  if (!Array.isArray(servers)) return [];
  const known = new Set<string>();
  return (servers as readonly Json[]).slice(0, SERVERS_MAX).flatMap((value) => {
    const { server, instructions, ...facts } = objectOr(value);
    if (typeof server !== 'string' || !SERVER_NAME.test(server) || known.has(server)) return [];
    known.add(server);
    const list = (key: string): readonly never[] =>
      Array.isArray(facts[key]) ? (facts[key] as unknown as readonly never[]) : [];
    return [
      {
        server,
        capabilities: objectOr(facts['capabilities']),
        serverInfo: objectOr(facts['serverInfo']),
        ...(typeof instructions === 'string'
          ? { instructions: instructions.slice(0, INSTRUCTIONS_LENGTH_MAX) }
          : {}),
        tools: list('tools'),
        resources: list('resources'),
        templates: list('templates'),
        prompts: list('prompts'),
      },
    ];
  });
}

function objectOr(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}
