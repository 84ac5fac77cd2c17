import { describe, expect, it } from "vitest";
import { flagHint, misspeltHint } from "./flag-hint.ts";

describe("a flag that there is not", () => {
  const flags = ["--data-dir", "--max-running", "--max-waiting", "--model", "--port", "--open"];
  const unknown = (flag: string) => `error: unknown option '${flag}'`;

  it.each([
    ["--data", "--data-dir"],
    ["--dir", "--data-dir"],
    ["--data-directory", "--data-dir"],
    ["--dir-data", "--data-dir"],
    ["--waiting", "--max-waiting"],
    ["--max", "--max-running or --max-waiting"],
    ["--models", "--model"],
  ])("%s suggests %s", (said, meant) => expect(flagHint(unknown(said), flags)).toBe(` (did you mean ${meant}?)`));

  it.each(["--what", "--", "-x", "--a-", "---"])("%s suggests nothing", (said) =>
    expect(flagHint(unknown(said), flags)).toBe(""),
  );

  it("is told beside an option that is missing", () => {
    const missing = "error: required option '--port <n>' not specified";
    expect(misspeltHint(missing, ["serve", "--prot", "1"], flags)).toBe(
      "; '--prot' is no option (did you mean --port?)",
    );
    expect(misspeltHint(missing, ["serve", "--wholly=1"], flags)).toBe("; '--wholly' is no option");
    expect(misspeltHint(missing, ["serve", "--model", "--"], flags)).toBe("");
    expect(misspeltHint("error: too many arguments", ["--prot"], flags)).toBe("");
  });

  it("is not named twice, and other errors are left alone", () => {
    expect(flagHint(`${unknown("--data")}\n(Did you mean --data-dir?)`, flags)).toBe("");
    expect(flagHint("error: option '--data <x>' argument missing", flags)).toBe("");
  });
});
