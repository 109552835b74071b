/**
 * How a tool of the built-in server asks the person before the client that calls it: in the era of
 * sessions by a request, in the stateless one by ending the call with `input_required`, which the client
 * makes again with the answer (MCP 2026-07-28, `basic/patterns/mrtr`).
 */
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { showsForms } from '../clearance/approval-form.ts';
import { clientOf, eraOf, objectOf } from '../wire/era.ts';
import { askQuestion } from '../wire/question.ts';
import type { RelayedCall, ServerChannelInit } from '../channel-types.ts';
import type { BuiltinContext } from '../types.ts';

const METHOD = 'elicitation/create';
let asked = 0;

/**
 * How the tool of `call` asks, on the channel that was opened with `init`; `pause` hears with what the call ends in the
 * stateless era, when something is asked.
 */
export function elicitOf(
  call: RelayedCall,
  init: ServerChannelInit,
  pause: (result: JsonObject) => void,
): NonNullable<BuiltinContext['elicit']> {
  const isModern = eraOf(call.request) === 'modern';
  const client = isModern ? clientOf(call.request) : init.client;
  return (key, params, signal) => {
    if (!showsForms(client.capabilities)) throw noForms();
    if (!isModern) return ask(call, init, params, signal);
    const answers = objectOf(call.request.params['inputResponses']);
    if (Object.hasOwn(answers, key)) return Promise.resolve(objectOf(answers[key]));
    pause({
      resultType: 'input_required',
      inputRequests: { [key]: { method: METHOD, params } },
    });
    return new Promise(() => undefined);
  };
}

function ask(
  call: RelayedCall,
  { listener }: ServerChannelInit,
  params: JsonObject,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  asked += 1;
  return askQuestion(
    { id: asked, method: METHOD, params, signal },
    {
      ask: (frame, answer) => listener.request(frame, answer, call),
      takeBack: (frame) => listener.notification(frame, call),
    },
  );
}

function noForms(): StarlingError {
  return new StarlingError('STARLING_USAGE', 'this client shows no forms, so nobody can be asked', {
    hint: 'say it with `approve`, or in a terminal: starling approvals approve <id> (or deny <id>)',
  });
}
