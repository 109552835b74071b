/**
 * Keys of the policy file that have, or had, another name elsewhere: `agents`, as `callers` was called once, is read with a
 * warning; `agent_policies`, PacketFlow's name for what agents may do, is read as entries of `callers` for the clients
 * of these names, which is what agents of this node are.
 */
import { isObject } from '../../core/index.ts';
import type { Problem } from '../../config/index.ts';

/** A policy file's tree in the words of today. */
export interface Reworded {
  readonly tree: unknown;
  /** What a person should change, one line each. */
  readonly warnings: readonly string[];
  readonly problems: readonly Problem[];
  /** A dotted key in the words of the file, so that a person finds the key there. */
  readonly asWritten: (key: string) => string;
}

const OLD = 'agents';
const NEW = 'callers';
const PACKETFLOW = 'agent_policies';
const CLIENT = 'client:';

/** Reads `agents:` and `agent_policies:` as `callers:`. What stands under two names is a problem: neither could be left out. */
export function reword(tree: unknown): Reworded {
  const old = rewordOld(tree);
  if (!isObject(old.tree) || !Object.hasOwn(old.tree, PACKETFLOW)) return old;
  const { [PACKETFLOW]: policies, ...others } = old.tree;
  if (!isObject(policies)) {
    const text = 'it holds the policy of each agent, by its name';
    return { ...old, tree: others, problems: [...old.problems, { key: PACKETFLOW, text }] };
  }
  const given = isObject(others[NEW]) ? others[NEW] : {};
  const names = Object.keys(policies);
  const twice = names.find((name) => Object.hasOwn(given, CLIENT + name));
  if (twice !== undefined) {
    const text = `${NEW} has an entry ${CLIENT}${twice}, too; put all under one`;
    const key = `${PACKETFLOW}.${twice}`;
    return { ...old, tree: others, problems: [...old.problems, { key, text }] };
  }
  const entries = Object.fromEntries(names.map((name) => [CLIENT + name, policies[name]]));
  return {
    ...old,
    tree: { ...others, [NEW]: { ...given, ...entries } },
    asWritten(key) {
      const name = names.find((one) => startsAt(key, `${NEW}.${CLIENT}${one}`));
      if (name === undefined) return old.asWritten(key);
      return `${PACKETFLOW}.${name}${key.slice(`${NEW}.${CLIENT}${name}`.length)}`;
    },
  };
}

function startsAt(key: string, path: string): boolean {
  return key === path || key.startsWith(`${path}.`);
}

function rewordOld(tree: unknown): Reworded {
  const asIs = { tree, warnings: [], problems: [], asWritten: (key: string) => key };
  if (!isObject(tree) || !Object.hasOwn(tree, OLD)) return asIs;
  const { [OLD]: entries, ...others } = tree;
  if (Object.hasOwn(tree, NEW)) {
    const text = `it is the old name of ${NEW}, which is there too; put all entries under ${NEW}`;
    return { ...asIs, tree: others, problems: [{ key: OLD, text }] };
  }
  return {
    tree: { ...others, [NEW]: entries },
    warnings: [
      `${OLD}: this key is called ${NEW} now, and ${OLD} will mean something else; rename it to ${NEW}`,
    ],
    problems: [],
    asWritten: (key) =>
      key === NEW || key.startsWith(`${NEW}.`) ? OLD + key.slice(NEW.length) : key,
  };
}
