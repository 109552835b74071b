/** The type of JSON values. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** Members are undefined where they are not there. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}
