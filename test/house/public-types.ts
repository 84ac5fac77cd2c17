/** What a library's entries let their users name: a walk through declarations with TypeScript's own parser and checker. */
import { basename, join, relative } from "node:path";
import ts from "typescript";
import { ROOT } from "./files.ts";

/** Types that users pass on as they got them: they can be named, and what they are made of is Shoal's own affair. */
const HANDLES = new Set([
  "App",
  "Arena",
  "Course",
  "Kernels",
  "Metrics",
  "Replies",
  "RunFolder",
  "Sampler",
  "Store",
  "ThreadChoice",
  "TokenizerParts",
  "Transformer",
]);

/**
 * Types of our own that are reachable from what an entry exports and that the entry does not export itself.
 * @param entries paths of their sources
 * @returns lines of "entry: what refers to it: the type and its file"
 */
export function unnamedTypes(entries: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram(entries, options);
  return entries.flatMap((entry) => new EntryWalk(program, entry).problems());
}

class EntryWalk {
  private readonly found = new Set<string>();
  private readonly exported: ReadonlyMap<ts.Symbol, string>;
  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  private readonly entry: string;

  constructor(program: ts.Program, entry: string) {
    this.program = program;
    this.checker = program.getTypeChecker();
    this.entry = basename(entry);
    const module = this.checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    const exports = this.checker.getExportsOfModule(module);
    this.exported = new Map(exports.map((symbol) => [this.original(symbol), symbol.name]));
  }

  problems(): string[] {
    for (const [symbol, name] of this.exported)
      if (!HANDLES.has(symbol.name)) for (const declaration of symbol.declarations ?? []) this.walk(declaration, name);
    return [...this.found].sort();
  }

  private original(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Looks at every type that is written in a declaration, or that follows from it, but not into bodies. */
  private walk(node: ts.Node, from: string): void {
    if (ts.isBlock(node) || isPrivate(node) || ts.isTypeQueryNode(node)) return;
    if (ts.isTypeReferenceNode(node)) this.check(node.typeName, from);
    else if (ts.isExpressionWithTypeArguments(node)) this.check(node.expression, from);
    else if (ts.isImportTypeNode(node) && node.qualifier) this.check(node.qualifier, from);
    else if (isUntyped(node)) this.walkInferred(node, from);
    ts.forEachChild(node, (child) => {
      if (!ts.isExpression(child) || ts.isExpressionWithTypeArguments(child)) this.walk(child, from);
    });
  }

  private walkInferred(
    node: ts.FunctionLikeDeclaration | ts.VariableDeclaration | ts.PropertyDeclaration,
    from: string,
  ) {
    const type = this.checker.getTypeAtLocation(node);
    const signature = ts.isFunctionLike(node) ? this.checker.getSignatureFromDeclaration(node) : undefined;
    this.checkType(signature ? signature.getReturnType() : type, from, 0);
  }

  private checkType(type: ts.Type, from: string, depth: number): void {
    if (depth > 3) return;
    const symbol = type.aliasSymbol ?? type.getSymbol();
    if (symbol && symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias))
      this.checkSymbol(symbol, from);
    const inner = type.isUnionOrIntersection() ? type.types : [];
    const named = [...inner, ...(type.aliasTypeArguments ?? []), ...argumentsOf(this.checker, type)];
    for (const one of named) this.checkType(one, from, depth + 1);
    if (type.aliasSymbol || named.length > 0) return;
    for (const call of type.getCallSignatures()) this.checkType(call.getReturnType(), from, depth + 1);
    if (symbol && symbol.flags & (ts.SymbolFlags.ObjectLiteral | ts.SymbolFlags.TypeLiteral))
      for (const property of type.getProperties())
        this.checkType(this.checker.getTypeOfSymbol(property), from, depth + 1);
  }

  private check(name: ts.Node, from: string): void {
    const symbol = this.checker.getSymbolAtLocation(name);
    if (symbol) this.checkSymbol(this.original(symbol), from);
  }

  private checkSymbol(symbol: ts.Symbol, from: string): void {
    const declaration = symbol.declarations?.[0];
    if (!declaration || ts.isTypeParameterDeclaration(declaration) || this.exported.has(symbol)) return;
    const file = declaration.getSourceFile();
    if (this.program.isSourceFileDefaultLibrary(file) || file.fileName.includes("/node_modules/")) return;
    // An alias that its module keeps to itself is shorthand for what it stands for.
    const shorthand = ts.isTypeAliasDeclaration(declaration) && !ts.getCombinedModifierFlags(declaration);
    if (shorthand) this.walk(declaration.type, from);
    else this.found.add(`${this.entry}: ${from} refers to ${symbol.name} (${relative(ROOT, file.fileName)})`);
  }
}

/** Type arguments of Promise<X>, X[] and the like. */
function argumentsOf(checker: ts.TypeChecker, type: ts.Type): readonly ts.Type[] {
  const reference = type as ts.TypeReference;
  return reference.target && reference.target !== type ? checker.getTypeArguments(reference) : [];
}

/** What users cannot see. */
function isPrivate(node: ts.Node): boolean {
  return ts.isClassElement(node) && (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) !== 0;
}

/** Whether a declaration leaves its type to be inferred. */
function isUntyped(
  node: ts.Node,
): node is ts.FunctionLikeDeclaration | ts.VariableDeclaration | ts.PropertyDeclaration {
  return (
    (ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isGetAccessorDeclaration(node) ||
      ts.isVariableDeclaration(node) ||
      ts.isPropertyDeclaration(node)) &&
    node.type === undefined
  );
}
