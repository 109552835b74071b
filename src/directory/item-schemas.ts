/**
 * The shapes of what servers list (MCP 2025-11-25, `tools`, `resources`, `prompts`), as strict as the
 * strictest client: clients refuse a whole list for one malformed item, so that item must never be
 * passed on. Unknown fields are let be. Names of tools may hold what clients do not take: those are mapped
 * towards clients (`gateway/catalog/tool-names.ts`).
 */
import { z } from 'zod';
import { FORBIDDEN } from '../core/index.ts';

const anyObject = z.custom<object>((value) => typeof value === 'object' && value !== null);
const record = z.record(z.string(), z.unknown());

const schema = z.looseObject({
  type: z.literal('object'),
  properties: z.record(z.string(), anyObject).optional(),
  required: z.array(z.string()).optional(),
});

const icon = z.looseObject({
  src: z.string(),
  mimeType: z.string().optional(),
  sizes: z.array(z.string()).optional(),
  theme: z.enum(['light', 'dark']).optional(),
});

const annotations = z.looseObject({
  title: z.string().optional(),
  readOnlyHint: z.boolean().optional(),
  destructiveHint: z.boolean().optional(),
  idempotentHint: z.boolean().optional(),
  openWorldHint: z.boolean().optional(),
});

const execution = z.looseObject({
  taskSupport: z.enum(['required', 'optional', 'forbidden']).optional(),
});

const common = {
  title: z.string().optional(),
  description: z.string().optional(),
  icons: z.array(icon).optional(),
  _meta: record.optional(),
};
/** URIs and templates longer than this are nobody's honest ones. */
const URI_LENGTH_MAX = 8192;
/** Names of resources are for people; those of prompts are called by. */
const NAME_LENGTH_MAX = 512;

const resourceAnnotations = z.looseObject({
  audience: z.array(z.enum(['user', 'assistant'])).optional(),
  priority: z.number().min(0).max(1).optional(),
  lastModified: z.string().optional(),
});

/** A resource that every client accepts. */
export const resourceShape = z.looseObject({
  ...common,
  uri: z.string().min(1).max(URI_LENGTH_MAX),
  name: z.string().max(NAME_LENGTH_MAX),
  mimeType: z.string().optional(),
  size: z.number().optional(),
  annotations: resourceAnnotations.optional(),
});

/** A resource template that every client accepts. */
export const templateShape = z.looseObject({
  ...common,
  uriTemplate: z.string().min(1).max(URI_LENGTH_MAX),
  name: z.string().max(NAME_LENGTH_MAX),
  mimeType: z.string().optional(),
  annotations: resourceAnnotations.optional(),
});

/** A prompt that every client accepts. */
export const promptShape = z.looseObject({
  ...common,
  name: z.string().min(1).max(NAME_LENGTH_MAX),
  arguments: z
    .array(
      z.looseObject({
        name: z.string(),
        description: z.string().optional(),
        required: z.boolean().optional(),
      }),
    )
    .optional(),
});

const TOOL_NAME_LENGTH_MAX = 128;
/** What a tool may be called, in words. */
export const NAME_FORM = `text of 1 to ${TOOL_NAME_LENGTH_MAX} characters without controls or invisible ones`;

/** A tool that every client accepts. */
export const toolShape = z.looseObject({
  name: z
    .string()
    .min(1)
    .max(TOOL_NAME_LENGTH_MAX)
    .refine((name) => name.trim() !== '' && !FORBIDDEN.test(name)),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: schema,
  outputSchema: schema.optional(),
  annotations: annotations.optional(),
  execution: execution.optional(),
  icons: z.array(icon).optional(),
  _meta: record.optional(),
});
