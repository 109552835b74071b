/**
 * What a server asks the person who calls its tool, as questions at the terminal: one a field of the form
 * (MCP 2025-11-25 `client/elicitation`, mode `form`). The server is told nothing before the person has seen all
 * answers and agreed.
 */
import { StarlingError } from '../../../core/errors.ts';
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import { canAsk, converse } from './ask.ts';
import type { ConverseInit, Put } from './ask.ts';
import { choicesOf, readField, ruleOf } from './form-fields.ts';
import type { Field } from './form-fields.ts';
import { cut, safe, safeLine, tell } from '../output.ts';

/** A form of more fields is declined: nobody fills it in at a terminal. */
const FIELDS_MAX = 40;
const MESSAGE_MAX = 2000;
const LINE_MAX = 200;
const NEEDED: ReturnType<typeof readField> = { fault: 'this is needed' };

/**
 * Asks for what `params` of `elicitation/create` describe; gives the result of the request: `accept` with the
 * content, `decline` when the person says no, `cancel` when the person leaves by Ctrl-D.
 * @throws STARLING_INTERRUPTED when the person leaves by Ctrl-C; the reason of `signal`
 */
export async function askForm(
  params: JsonObject,
  from: string,
  init: ConverseInit = {},
): Promise<JsonObject> {
  const fields = fieldsOf(params['requestedSchema']);
  const isForm = params['mode'] === undefined || params['mode'] === 'form';
  if (!isForm || fields === undefined || !canAsk(init.conversation)) return { action: 'decline' };
  const message = typeof params['message'] === 'string' ? params['message'] : '';
  tell(safeLine(`${from} asks:`));
  // Indented, so that no line of a server looks like one of ours.
  for (const line of safe(cut(message, MESSAGE_MAX)).split('\n')) tell(`  ${line}`);
  tell('(Enter takes what stands in brackets, or leaves the field out; Ctrl-D answers nothing)');
  try {
    return await converse(async (put) => {
      const content: Record<string, Json> = {};
      for (const field of fields) {
        const value = await askField(field, put);
        if (value !== undefined) content[field.name] = value;
      }
      return (await agrees(from, put)) ? { action: 'accept', content } : { action: 'decline' };
    }, init);
  } catch (error) {
    const hasLeft = error instanceof StarlingError && error.code === 'STARLING_USAGE';
    if (!hasLeft) throw error;
    tell('\nanswered with nothing');
    return { action: 'cancel' };
  }
}

function fieldsOf(schema: Json | undefined): readonly Field[] | undefined {
  const properties = isObject(schema) ? schema['properties'] : undefined;
  if (!isObject(schema) || !isObject(properties)) return undefined;
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const fields = Object.entries(properties).map(([name, property]) => ({
    name,
    schema: isObject(property) ? property : {},
    isNeeded: required.includes(name),
  }));
  return fields.length > FIELDS_MAX ? undefined : fields;
}

async function askField(field: Field, put: Put): Promise<Json | undefined> {
  const { name, schema, isNeeded } = field;
  const line = (text: string): string => cut(safeLine(text), LINE_MAX);
  const { title, description } = schema;
  const about = [
    typeof title === 'string' && title !== name ? `${name} (${title})` : name,
    ...(typeof description === 'string' ? [description] : []),
  ].join(': ');
  tell(`  ${line(`${about}${isNeeded ? '' : '; may be left out'}`)}`);
  for (const [at, { title: choice }] of choicesOf(schema).entries())
    tell(`    ${line(`${at + 1}  ${choice}`)}`);
  const preset = schema['default'];
  const rule = ruleOf(schema);
  const shown = preset === undefined ? '' : ` [${line(textOf(preset))}]`;
  for (;;) {
    const said = await put(`  ${rule}${shown} > `);
    if (said === '' && preset !== undefined) return preset;
    if (said === '' && !isNeeded) return undefined;
    const read = said === '' ? NEEDED : readField(schema, said);
    if ('value' in read) return read.value;
    tell(`  ${line(read.fault)}`);
  }
}

function textOf(value: Json): string {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? value.map(textOf).join(', ') : JSON.stringify(value);
}

async function agrees(from: string, put: Put): Promise<boolean> {
  for (;;) {
    const said = (await put(safeLine(`Send these answers to ${from}? [yes/no] `))).toLowerCase();
    if ('yes'.startsWith(said)) return true;
    if ('no'.startsWith(said)) return false;
  }
}
