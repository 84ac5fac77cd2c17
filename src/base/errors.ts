/**
 * The error for anything wrong that came from outside: a file, a flag, a recipe, a request. Its message is one line that says what is
 * wrong, where (file, field, tensor, byte offset) and what to do; commands print it without a stack and exit 1.
 */
export class InputError extends Error {
  override name = "InputError";
}
