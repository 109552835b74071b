/** What A2A calls a message, and what agents here read and answer. Pure. */
import { Message } from '@a2a-js/sdk';
import type { Part, SendMessageRequest } from '@a2a-js/sdk';
import {
  ContentTypeNotSupportedError,
  PushNotificationNotSupportedError,
  RequestMalformedError,
  TaskNotFoundError,
} from '@a2a-js/sdk/errors';
import { isObject, isText, printable } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { objectOf } from '../../wire/era.ts';
import { mediaTypeOf } from '../../wire/media-type.ts';
import { MEDIA_TYPES } from './agent-card.ts';

const PARTS_MAX = 64;
const ID_MAX = 128;
/** What takes any media type (RFC 9110 §12.5.1). */
const ANY: readonly string[] = ['*/*', 'text/*', 'application/*'];

/** A message as an agent here gets it. */
export interface Received {
  readonly message: Json;
  /** The conversation; a new one where the message names none. */
  readonly contextId: string;
  /** Absent where it names none. */
  readonly namedContextId?: string;
  readonly messageId: string;
  /** The task that it goes on with. */
  readonly taskId?: string;
  /** The A2A ids of the message. */
  readonly metadata: JsonObject;
}

/**
 * Reads a request to send a message: one text or one JSON value stands for itself, anything else for its parts.
 * @throws RequestMalformedError, TaskNotFoundError, ContentTypeNotSupportedError, PushNotificationNotSupportedError
 */
export function receivedOf(request: SendMessageRequest, freshId: () => string): Received {
  const { configuration, message } = request;
  if (message === undefined) throw malformed('a request to send a message has a message');
  const said = Message.toJSON(message) as JsonObject;
  if (said['role'] !== 'ROLE_USER') throw malformed('the role of what is sent is ROLE_USER');
  const { messageId, taskId, contextId, parts } = message;
  if (messageId === '' || messageId.length > ID_MAX || contextId.length > ID_MAX) {
    throw malformed(`a message has a messageId, and ids have ${ID_MAX} characters at the most`);
  }
  if (parts.length === 0 || parts.length > PARTS_MAX) {
    throw malformed(`a message has 1 to ${PARTS_MAX} parts`);
  }
  if (taskId.length > ID_MAX) throw new TaskNotFoundError({ message: 'there is no such task' });
  if (configuration?.taskPushNotificationConfig !== undefined) {
    throw new PushNotificationNotSupportedError();
  }
  const odd = parts.find((part) => !isTaken(part));
  if (odd !== undefined) {
    const text = `a part is ${printable(odd.mediaType, ID_MAX)}, and this agent takes ${MEDIA_TYPES.join(' and ')}`;
    throw new ContentTypeNotSupportedError({ message: text });
  }
  const accepted = configuration?.acceptedOutputModes ?? [];
  if (accepted.length > 0 && !accepted.some((type) => [...MEDIA_TYPES, ...ANY].includes(type))) {
    const text = `answers are ${MEDIA_TYPES.join(' or ')}`;
    throw new ContentTypeNotSupportedError({ message: text });
  }
  const context = contextId === '' ? freshId() : contextId;
  const { metadata } = said;
  return {
    message: bodyOf(parts, said),
    contextId: context,
    ...(contextId === '' ? {} : { namedContextId: contextId }),
    messageId,
    ...(taskId === '' ? {} : { taskId }),
    metadata: {
      a2a: {
        messageId,
        contextId: context,
        ...(metadata === undefined ? {} : { metadata }),
      },
    },
  };
}

/** The answer of an agent. */
export function answerOf(
  response: Json,
  { contextId, messageId }: { readonly contextId: string; readonly messageId: string },
): Message {
  return Message.fromJSON({ messageId, contextId, role: 'ROLE_AGENT', parts: partsOf(response) });
}

/**
 * What an agent gives, as parts: a text as text, `{ parts }` as the parts that it names, in the form in which agents get
 * several, and all else as JSON.
 */
export function partsOf(value: Json): Json[] {
  if (typeof value === 'string') return [{ text: value }];
  if (isObject(value) && Object.keys(value).join() === 'parts') {
    const { parts } = value;
    if (Array.isArray(parts) && parts.length > 0 && parts.every(isPart)) return [...parts];
  }
  return [{ data: value }];
}

const PART_FIELDS: Readonly<Record<string, (value: Json) => boolean>> = {
  text: isText,
  raw: isText,
  url: isText,
  data: () => true,
};

/** One text, file or JSON value, in the JSON form of A2A. */
function isPart(part: Json): boolean {
  const said = objectOf(part);
  const [field, ...others] = Object.keys(PART_FIELDS).filter((name) => said[name] !== undefined);
  if (field === undefined || others.length > 0) return false;
  const { filename = '', mediaType = '' } = said;
  return (
    PART_FIELDS[field]?.(said[field] ?? null) === true && isText(filename) && isText(mediaType)
  );
}

/** By what its sender says of it: a text may be any text, as an agent is given it as one. */
function isTaken({ content, mediaType }: Part): boolean {
  const type = mediaTypeOf(mediaType);
  if (type === '' || MEDIA_TYPES.includes(type)) return true;
  return content?.$case === 'text' && type.startsWith('text/');
}

function bodyOf(parts: readonly Part[], said: JsonObject): Json {
  const [only, ...others] = parts;
  const isPlain = others.length === 0 && only?.filename === '' && only.metadata === undefined;
  if (isPlain && only.content?.$case === 'text') return only.content.value;
  if (isPlain && only.content?.$case === 'data') return (only.content.value ?? null) as Json;
  return { parts: said['parts'] ?? [] };
}

function malformed(message: string): RequestMalformedError {
  return new RequestMalformedError({ message });
}
