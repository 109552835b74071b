/**
 * Which model a conversation is with. Vendors keep the beginning of a prompt for some minutes, and the next turn has that for less
 * where the same model is asked; so a route that could ask any stays with the one that answered last.
 */
import { createHash } from 'node:crypto';
import type { Clock, Json } from '../../core/index.ts';
import type { ModelStrategy } from '../../config/index.ts';
import { listIn, objectIn } from '../json-reading.ts';
import type { ReadCall } from '../types.ts';

/** For how long vendors keep a prompt at the least: Anthropic 5 minutes from its last use, OpenAI 5 to 10. */
const KEPT_MS = 300_000;
/** Conversations that are remembered; the ones idle longest go. */
const CONVERSATIONS_MAX = 2000;
/** What stands before the first answer, by which a conversation is known: so many turns, and characters of each. */
const BEGINNING_TURNS = 4;
const BEGINNING_CHARS = 4096;
/** These have an order of their own, from which nothing departs. */
const IN_ORDER: readonly ModelStrategy[] = ['best', 'escalate'];
const TURNS: readonly string[] = ['assistant', 'model'];

/** A conversation, as far as a request shows it. */
export interface Conversation {
  readonly key: string;
  /** False for its first turn. */
  readonly goesOn: boolean;
}

/** What is remembered. */
export interface Conversations {
  /** The model that answered its last turn; undefined where it begins, or was idle for too long. */
  modelOf(conversation: Conversation | undefined): string | undefined;
  /** `model` has answered. */
  answered(conversation: Conversation | undefined, model: string): void;
}

/** Remembers nothing yet. */
export function createConversations(clock: Clock): Conversations {
  const last = new Map<string, { readonly model: string; readonly at: number }>();
  return {
    modelOf(conversation) {
      if (conversation?.goesOn !== true) return undefined;
      const found = last.get(conversation.key);
      // A clock that was set says nothing of how long ago that was.
      const ago = found === undefined ? Infinity : Math.abs(clock.now() - found.at);
      return ago <= KEPT_MS ? found?.model : undefined;
    },
    answered(conversation, model) {
      if (conversation === undefined) return;
      const { key } = conversation;
      last.delete(key);
      last.set(key, { model, at: clock.now() });
      const [oldest] = last.keys();
      if (last.size > CONVERSATIONS_MAX && oldest !== undefined) last.delete(oldest);
    },
  };
}

/** The conversation of a request to `route` by `whose`; undefined where which model is asked is no matter of choice. */
export function conversationOf(
  { fields, form, model: route }: ReadCall,
  strategy: ModelStrategy,
  whose: string,
): Conversation | undefined {
  const turns = listIn(fields[form === 'responses' ? 'input' : 'messages']);
  if (IN_ORDER.includes(strategy) || turns.length === 0) return undefined;
  const answered = turns.findIndex(isOfModel);
  const asked = (answered === -1 ? turns : turns.slice(0, answered)).slice(0, BEGINNING_TURNS);
  const beginning = [fields['system'], fields['instructions'], ...asked].map(beginningOf);
  const key = createHash('sha256')
    .update(JSON.stringify([route, whose, form, ...beginning]))
    .digest('base64url');
  return { key, goesOn: answered !== -1 };
}

function isOfModel(turn: Json): boolean {
  const { role, type } = objectIn(turn);
  return TURNS.includes(String(role)) || type === 'function_call';
}

function beginningOf(part: Json | undefined): string {
  const text = typeof part === 'string' ? part : (JSON.stringify(part ?? null) ?? '');
  return text.slice(0, BEGINNING_CHARS);
}
