/** Text that has at least one `${NAME}` or `${NAME:-default}`. */
export const ENV_PATTERN = '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}';

/** Environment variables, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A text with its variables filled in. */
export interface Filled {
  readonly text: string;
  /** Whether there was anything to fill in. */
  readonly used: boolean;
  /** What is wrong with each variable that could not be filled in. */
  readonly mistakes: readonly string[];
}

const reference = /\$(\$?)\{([^}]*)(\}?)/gu;
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/su;

/**
 * Fills in `${NAME}` and `${NAME:-default}`; `$${` stands for a literal `${`. A variable that is not set, or is
 * empty, takes its default; without one that is a mistake, since an empty address or token is never meant.
 */
export function fillIn(text: string, env: Env): Filled {
  if (!text.includes('${')) return { text, used: false, mistakes: [] };
  const mistakes: string[] = [];
  let used = false;
  const filled = text.replaceAll(
    reference,
    (whole: string, escape: string, body: string, close: string): string => {
      if (escape === '$') return whole.slice(1);
      used = true;
      const parts = close === '' ? null : inside.exec(body);
      if (parts === null) {
        mistakes.push(`"${whole}" is not of the form \${NAME} or \${NAME:-default}`);
        return whole;
      }
      const name = parts[1] ?? '';
      const value = (Object.hasOwn(env, name) ? env[name] : undefined) ?? '';
      if (value !== '') return value;
      if (parts[2] === undefined) mistakes.push(`the environment variable ${name} is not set`);
      return parts[2] ?? '';
    },
  );
  return { text: filled, used, mistakes };
}
