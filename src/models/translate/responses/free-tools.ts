/**
 * Tools that a model of the Responses API calls with a text in place of JSON (`custom`): elsewhere they are functions of
 * one text. Pure.
 */
import type { Json, JsonObject } from '../../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn } from '../../json-reading.ts';
import { present } from '../fields.ts';

/** The tool as a function. */
export function freeTool(name: Json | undefined, description: Json | undefined): JsonObject {
  const input = { type: 'string', description: 'The whole text that the tool is given.' };
  const parameters = { type: 'object', properties: { input }, required: ['input'] };
  return present({ name, description, parameters });
}

/** Names of such tools in a request. */
export function freeTools(request: JsonObject): ReadonlySet<string> {
  return new Set(
    listIn(request['tools']).flatMap((tool) => {
      const { type, name } = objectIn(tool);
      return type === 'custom' ? [textIn(name)] : [];
    }),
  );
}

/** The text that a call of such a tool was given. */
export function freeInput(args: string): string {
  const input = parsedObject(args)?.['input'];
  return typeof input === 'string' ? input : args;
}
