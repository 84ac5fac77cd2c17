/** From the definitions of kernels to functions that may be called: each call is held against its contract first. */
import { checkerOf } from "./check.ts";
import type { Contract, Definitions, Functions } from "./contract.ts";

type AnyDefinition = (call: object) => unknown;

/** The kernels of a family in plain TypeScript. `definitions` are given checked calls with every field there. */
export function define<Cs extends Readonly<Record<string, Contract>>>(
  contracts: Cs,
  definitions: Definitions<Cs>,
): Functions<Cs> {
  const functions = Object.entries(contracts).map(([name, contract]) => {
    const definition = definitions[name] as AnyDefinition;
    const checkedAndDefined = (call: object) => {
      const checker = checkerOf(name, contract);
      return definition(checker.complete(call, checker.check(call)));
    };
    return [name, checkedAndDefined];
  });
  return Object.fromEntries(functions);
}
