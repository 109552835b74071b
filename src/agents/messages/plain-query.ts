/**
 * Queries that say whom, what, and for how long, as most do: arguments of `agent_message` that are read without its schema,
 * which takes longer than all else that is done with them.
 */
import { isObject } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import { isJson } from '../../gateway/index.ts';
import { QUERY_MAX_MS } from '../limits.ts';
import { PRIORITIES } from '../types.ts';
import type { MessageInit } from '../types.ts';

/** Arguments that the schema of `agent_message` takes. */
export interface PlainQuery extends Pick<MessageInit, 'from' | 'priority' | 'timeoutMs' | 'to'> {
  readonly agentId?: string | undefined;
  readonly type: 'query';
  readonly message: Json;
  readonly timeout?: number | undefined;
}

const NAME_MAX = 128;
/** Undefined for all other arguments, right or wrong. */
export function readPlainQuery(args: Json | undefined): PlainQuery | undefined {
  if (!isObject(args) || args['type'] !== 'query' || args['message'] === undefined)
    return undefined;
  for (const name of Object.keys(args)) if (!isField(name, args[name])) return undefined;
  return args as unknown as PlainQuery;
}

/** Whether the schema takes `value` under this name. Each request asks it of each argument, at both nodes. */
function isField(name: string, value: unknown): boolean {
  switch (name) {
    case 'agentId':
    case 'to':
    case 'from':
      return isName(value);
    case 'type':
      return value === 'query';
    case 'message':
      return isJson(value);
    case 'priority':
      return (PRIORITIES as readonly unknown[]).includes(value);
    case 'timeout':
    case 'timeoutMs':
      return isTime(value);
    default:
      return false;
  }
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= NAME_MAX;
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value <= QUERY_MAX_MS;
}
