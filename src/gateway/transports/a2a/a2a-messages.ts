/** What A2A calls a message, and what agents here read and answer. Pure. */
import { Message } from '@a2a-js/sdk';
import type { Part, SendMessageRequest } from '@a2a-js/sdk';
import {
  ContentTypeNotSupportedError,
  PushNotificationNotSupportedError,
  RequestMalformedError,
  TaskNotFoundError,
} from '@a2a-js/sdk/errors';
import type { Json, JsonObject } from '../../../core/index.ts';
import { MEDIA_TYPES } from './agent-card.ts';

const PARTS_MAX = 64;
const ID_MAX = 128;
/** What takes any media type (RFC 9110 §12.5.1). */
const ANY: readonly string[] = ['*/*', 'text/*', 'application/*'];

/** A message as an agent here gets it. */
export interface Received {
  readonly message: Json;
  readonly contextId: string;
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

/** The answer of an agent: a text as text, all else as JSON. */
export function answerOf(
  response: Json,
  { contextId, messageId }: { readonly contextId: string; readonly messageId: string },
): Message {
  const part = typeof response === 'string' ? { text: response } : { data: response };
  return Message.fromJSON({ messageId, contextId, role: 'ROLE_AGENT', parts: [part] });
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
