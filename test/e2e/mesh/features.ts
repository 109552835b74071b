/** The features of MCP that must cross two peers: one row each, for a client and a server of any era. */
import { expect } from 'vitest';
import { ANSWERS } from '../callers.ts';
import type { Caller, Params } from '../callers.ts';
import { eventually } from '../support.ts';

/** Key in `_meta` of a modern request: the level of log messages that it asks for. */
export const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

/** A client at the guest, and a server at the owner. */
export interface Crossing {
  readonly caller: Caller;
  readonly server: string;
  /** What a server of the kind `plain` has heard so far, one message a line. */
  readonly log: () => Promise<string>;
  /** Calls one of the server's tools. */
  readonly call: (
    tool: string,
    args?: Params,
    more?: Params,
    options?: Parameters<Caller['ask']>[2],
  ) => Promise<Params>;
}

const textsOf = ({ content }: Params): string =>
  (content as readonly { text?: string }[]).map(({ text }) => text ?? '').join('|');

/** The entry of a list that is the server's own. */
async function listed(
  { caller, server }: Crossing,
  method: string,
  list: string,
  name: string,
): Promise<Params> {
  const result = await caller.ask(method);
  const found = (result[list] as readonly Params[]).find((item) => {
    const meta = item['_meta'] as Params | undefined;
    const own = String(item['name']);
    return meta?.['starling/server'] === server && (own === name || own.endsWith(`__${name}`));
  });
  if (found === undefined) throw new Error(`${method}: no ${name} of ${server}`);
  return found;
}

const resourceOf = async (at: Crossing, name: string): Promise<string> =>
  String((await listed(at, 'resources/list', 'resources', name))['uri']);

/** Waits until the client has heard `method` so often. */
export async function heard(caller: Caller, method: string, count = 1): Promise<readonly Params[]> {
  const said = await eventually(
    `${count} × ${method}`,
    async () => caller.heard.filter((one) => one.method === method).map(({ params }) => params),
    (all) => all.length >= count,
  );
  return said;
}

/** One feature, tried: rejects when it does not cross. */
export type Feature = (at: Crossing) => Promise<void>;

/** Features that the conformance fixture has, on stdio and at a URL by turns. */
export const features: Readonly<Record<string, Feature>> = {
  async sampling({ caller, call }) {
    const result = await call('test_sampling', { prompt: 'What now?' });
    expect(textsOf(result)).toBe(`LLM response: ${ANSWERS.model}`);
    expect(caller.asked).toHaveLength(1);
    expect(caller.asked[0]?.method).toBe('sampling/createMessage');
    expect(JSON.stringify(caller.asked[0]?.params)).toContain('What now?');
  },
  async 'elicitation by a form'({ caller, call }) {
    const result = await call('test_elicitation', { message: 'Who are you?' });
    expect(textsOf(result)).toContain('action=accept');
    expect(textsOf(result)).toContain(ANSWERS.form.email);
    expect(caller.asked.map(({ params }) => params['message'])).toEqual(['Who are you?']);
    expect(JSON.stringify(caller.asked[0]?.params['requestedSchema'])).toContain(
      '"format":"email"',
    );
  },
  async 'roots, where the server may ask peers for them'({ caller, call }) {
    const result = await call('test_input_required_result_list_roots');
    expect(textsOf(result)).toBe(`Roots: ${ANSWERS.root}`);
    expect(caller.asked.map(({ method }) => method)).toEqual(['roots/list']);
  },
  async 'several questions at once, with state'({ caller, call }) {
    const result = await call('test_input_required_result_multiple_inputs');
    for (const part of ['Ann', ANSWERS.model, ANSWERS.root])
      expect(textsOf(result)).toContain(part);
    expect(caller.asked.map(({ method }) => method).toSorted()).toEqual([
      'elicitation/create',
      'roots/list',
      'sampling/createMessage',
    ]);
  },
  async 'questions one after the other'({ caller, call }) {
    const result = await call('test_input_required_result_multi_round');
    expect(textsOf(result)).toContain('"color":"green"');
    expect(caller.asked).toHaveLength(2);
  },
  async 'a question in a prompt'({ caller, server }) {
    const name = `owner__${server}__test_input_required_result_prompt`;
    const result = await caller.ask('prompts/get', { name });
    expect(JSON.stringify(result)).toContain('action=accept');
    expect(caller.asked).toHaveLength(1);
  },
  async 'capabilities, those and no others'({ call }) {
    const result = await call('test_input_required_result_capabilities');
    expect(textsOf(result)).toBe('capital_question, user_name, client_roots');
  },
  async progress({ caller, call }) {
    let first: unknown;
    const onprogress = ({ progress }: { progress: number }): void => void (first ??= progress);
    await call('test_tool_with_progress', {}, {}, { onprogress });
    expect(first).toBe(0);
    const said = await heard(caller, 'notifications/progress', 3);
    expect(said.map(({ progress, total }) => [progress, total])).toEqual([
      [0, 100],
      [50, 100],
      [100, 100],
    ]);
    expect(new Set(said.map(({ progressToken }) => progressToken)).size).toBe(1);
  },
  async 'log messages, to who asked for them'({ caller, call }) {
    if (caller.era === 'legacy') await caller.ask('logging/setLevel', { level: 'info' });
    const more = caller.era === 'legacy' ? {} : { _meta: { [LOG_LEVEL]: 'info' } };
    await call('test_tool_with_logging', {}, more);
    const said = await heard(caller, 'notifications/message', 3);
    expect(said.map(({ data }) => data)).toEqual([
      'Tool execution started',
      'Tool processing data',
      'Tool execution completed',
    ]);
  },
  async 'no log messages below the level asked for'({ caller, call }) {
    if (caller.era === 'legacy') await caller.ask('logging/setLevel', { level: 'error' });
    const more = caller.era === 'legacy' ? {} : { _meta: { [LOG_LEVEL]: 'error' } };
    await call('test_tool_with_logging', {}, more);
    await call('test_simple_text');
    expect(caller.heard.filter(({ method }) => method === 'notifications/message')).toEqual([]);
  },
  async 'all kinds of content'({ call }) {
    const mixed = (await call('test_multiple_content_types'))['content'] as readonly Params[];
    expect(mixed.map(({ type }) => type)).toEqual(['text', 'image', 'resource']);
    const [audio] = (await call('test_audio_content'))['content'] as readonly Params[];
    expect(audio).toMatchObject({ type: 'audio', mimeType: 'audio/wav' });
    expect(String(audio?.['data'])).toMatch(/^UklGR/);
  },
  async 'a tool that fails'({ call }) {
    const result = await call('test_error_handling');
    expect(result['isError']).toBe(true);
    expect(textsOf(result)).toBe('This tool intentionally returns an error for testing');
  },
  async 'a parameter that travels as a header'({ caller, server }) {
    const name = `owner__${server}__test_header_parameter`;
    expect(textsOf(await caller.callTool(name, { region: 'eu' }))).toBe('Ran in eu');
  },
  async prompts({ caller, server }) {
    const { prompts } = await caller.ask('prompts/list');
    const name = `owner__${server}__test_prompt_with_arguments`;
    const own = (prompts as readonly Params[]).find((prompt) => prompt['name'] === name);
    expect(own?.['arguments']).toHaveLength(2);
    const result = await caller.ask('prompts/get', { name, arguments: { arg1: 'a', arg2: 'b' } });
    expect(JSON.stringify(result['messages'])).toContain("arg1='a', arg2='b'");
  },
  async completion({ caller, server }) {
    const name = `owner__${server}__test_prompt_with_arguments`;
    const result = await caller.ask('completion/complete', {
      ref: { type: 'ref/prompt', name },
      argument: { name: 'arg1', value: 'par' },
    });
    expect(result['completion']).toMatchObject({ values: ['paris', 'park', 'party'], total: 3 });
  },
  async 'resources, though several servers use the same URIs'(at) {
    const uri = await resourceOf(at, 'static-binary');
    const { contents } = await at.caller.ask('resources/read', { uri });
    expect(contents).toMatchObject([{ mimeType: 'image/png' }]);
  },
  async 'resource templates, though several servers use the same'(at) {
    const template = await listed(at, 'resources/templates/list', 'resourceTemplates', 'template');
    const uri = String(template['uriTemplate']).replace('{id}', '42');
    const { contents } = await at.caller.ask('resources/read', { uri });
    expect((contents as readonly Params[])[0]?.['text']).toContain('Data for ID: 42');
  },
  async 'that a resource is not there'({ caller }) {
    const missing = caller.ask('resources/read', { uri: 'test://nowhere' });
    await expect(missing).rejects.toThrow(/test:\/\/nowhere|not found/i);
  },
};

/** Features of servers whose state is the same for all their callers: at a URL. */
export const changes: Readonly<Record<string, Feature>> = {
  async 'subscriptions: updated, until unsubscribed'(at) {
    const { caller, call } = at;
    const uri = await resourceOf(at, 'watched-resource');
    const unsubscribe = await caller.subscribe(uri);
    // A subscription of the modern era is in force upstream soon after it was acknowledged.
    await eventually(
      'the update is heard',
      async () => {
        await call('test_trigger_resource_change');
        return caller.heard.filter(({ method }) => method === 'notifications/resources/updated');
      },
      (all) => all.length > 0,
    );
    const updates = await heard(caller, 'notifications/resources/updated');
    expect(updates[0]).toMatchObject({ uri });
    await unsubscribe();
    // The end of the subscription is told to the owner beside the next call.
    await call('test_simple_text');
    await eventually(
      'no update is heard',
      async () => {
        caller.heard.length = 0;
        await call('test_trigger_resource_change');
        await call('test_tool_with_progress');
        return caller.heard;
      },
      (all) => all.length === 0,
    );
  },
  async 'changed lists'(at) {
    const { caller, call, server } = at;
    await caller.watchLists();
    const has = async (): Promise<boolean> => {
      const { tools } = await caller.ask('tools/list');
      const name = `owner__${server}__test_dynamic_tool`;
      return (tools as readonly Params[]).some((tool) => tool['name'] === name);
    };
    const before = await has();
    await call('test_trigger_tool_change');
    await heard(caller, 'notifications/tools/list_changed');
    await eventually('the list has changed', has, (now) => now !== before);
    if (!before) expect(textsOf(await call('test_dynamic_tool'))).toBe('I am here.');
    await call('test_trigger_prompt_change');
    await heard(caller, 'notifications/prompts/list_changed');
  },
};

/** Features of a server without any library, which does what libraries do not. */
export const oddities: Readonly<Record<string, Feature>> = {
  async 'elicitation by a URL'({ caller, call }) {
    const result = await call('ask_url');
    expect(textsOf(result)).toContain('"action":"accept"');
    expect(caller.asked.map(({ params }) => [params['mode'], params['url']])).toEqual([
      ['url', 'https://login.example/?state=1'],
    ]);
  },
  async 'no roots, where the server may not ask peers for them'({ caller, call }) {
    const declared = JSON.parse(textsOf(await call('capabilities'))) as Params;
    expect(Object.keys(declared).toSorted()).toEqual(['elicitation', 'sampling']);
    // One that asks all the same is not answered with them.
    const answer = await call('ask_roots').then(textsOf, String);
    expect(answer).not.toContain(ANSWERS.root);
    expect(caller.asked).toEqual([]);
  },
  async 'that a call is cancelled'({ call, log }) {
    const before = await log();
    const abort = new AbortController();
    const onprogress = (): void => abort.abort('no more');
    const cancelled = call('hang', {}, {}, { signal: abort.signal, onprogress });
    await expect(cancelled).rejects.toThrow();
    const told = await eventually(
      'the server hears it',
      async () => (await log()).slice(before.length),
      (log) => log.includes('notifications/cancelled'),
    );
    const lines = told.split('\n').filter((line) => line !== '');
    const parsed = lines.map((line) => JSON.parse(line) as Params & { readonly params: Params });
    const hung = parsed.find(({ params }) => params?.['name'] === 'hang');
    const cancel = parsed.find(({ method }) => method === 'notifications/cancelled');
    expect(cancel?.params['requestId']).toBe(hung?.['id']);
  },
  async 'an error with its data'({ call }) {
    const error = await call('fail').then(
      () => undefined,
      (thrown: unknown) => thrown as { code: number; message: string; data: unknown },
    );
    expect(error?.message).toMatch(/out of paper/);
    expect(error).toMatchObject({ code: -32_099, data: { tray: 2, list: [null] } });
  },
  async 'unknown fields of definitions'(at) {
    const tool = await listed(at, 'tools/list', 'tools', 'odd');
    expect(tool['inputSchema']).toMatchObject({ 'x-vendor': { kept: true } });
    expect(tool['_meta']).toMatchObject({ 'vendor/mark': 'odd' });
  },
  async 'completion of a template, with its context'({ caller }) {
    const result = await caller.ask('completion/complete', {
      ref: { type: 'ref/resource', uri: 'plain://pages/{page}' },
      argument: { name: 'page', value: 'p' },
      context: { arguments: { chapter: '7' } },
    });
    expect(result['completion']).toMatchObject({ values: ['plain://pages/{page} p 7'] });
  },
  async 'updates of a server whose state is each session’s own'(at) {
    const { caller, call } = at;
    const uri = await resourceOf(at, 'watched');
    const unsubscribe = await caller.subscribe(uri);
    await eventually(
      'the update is heard',
      async () => {
        await call('touch');
        return caller.heard.filter(({ method }) => method === 'notifications/resources/updated');
      },
      (all) => all.length > 0,
    );
    const [update] = await heard(caller, 'notifications/resources/updated');
    expect(update).toMatchObject({ uri, _meta: { vendor: 1 } });
    await unsubscribe();
  },
};
