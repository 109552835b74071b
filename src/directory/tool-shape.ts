/**
 * The shape of a tool (MCP 2025-11-25, `tools`), as strict as the strictest client: clients refuse a
 * whole list for one malformed tool, so that tool must never be passed on. Unknown fields are let be.
 */
import { z } from 'zod';

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

/** A tool that every client accepts. */
export const toolShape = z.looseObject({
  name: z.string().regex(/^[A-Za-z0-9_./-]{1,128}$/),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: schema,
  outputSchema: schema.optional(),
  annotations: annotations.optional(),
  execution: execution.optional(),
  icons: z.array(icon).optional(),
  _meta: record.optional(),
});
