// Who calls: an API key in the local cloud, a token of Cognito (authorization code with PKCE) where the API asks for one.
export interface Config { auth: string; sign_in: { domain: string; client_id: string; scope: string } | null }
interface Tokens { id_token: string; access_token: string; refresh_token?: string; expires_in: number }
interface Session { token: string; refresh: string | null; until: number }

const KEY = "slipcast.key";
const SESSION = "slipcast.session";
const VERIFIER = "slipcast.verifier";
const STATE = "slipcast.state";
// Milliseconds before its end at which a token is replaced: a request that is on its way still holds.
const EARLY = 60_000;

let config: Config = { auth: "key", sign_in: null };
export async function configure(): Promise<Config> {
  config = await (await fetch(new URL("config.json", document.baseURI))).json();
  return config;
}
export const byToken = (): boolean => config.auth === "jwt";

const session = (): Session | null => JSON.parse(sessionStorage.getItem(SESSION) ?? "null");
export function authorization(): Record<string, string> {
  const token = session()?.token;
  if (byToken()) return token ? { Authorization: token } : {};
  const key = sessionStorage.getItem(KEY);
  return key ? { "x-api-key": key } : {};
}
export const signedIn = (): boolean => Object.keys(authorization()).length > 0;
export const useKey = (key: string): void => sessionStorage.setItem(KEY, key.trim());
export function forget(): void {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(SESSION);
}
// Ends the session here and, where people sign in on a page, there too.
export async function signOut(): Promise<void> {
  const refresh = session()?.refresh;
  const asked = byToken() && config.sign_in;
  forget();
  if (!asked) return;
  const { domain, client_id } = asked;
  // A token that is not revoked ends by itself within hours.
  if (refresh) await fetch(`${domain}/oauth2/revoke`, { method: "POST", body: new URLSearchParams({ token: refresh, client_id }) }).catch(() => {});
  location.assign(`${domain}/logout?${new URLSearchParams({ client_id, logout_uri: here() })}`);
}

interface Claims { email?: string; username?: string; "cognito:username"?: string; "cognito:groups"?: string[] }
export function claims(): Claims | null {
  const token = byToken() ? session()?.token : null;
  if (!token) return null;
  try {
    return JSON.parse(new TextDecoder().decode(decoded(token.split(".")[1]!)));
  } catch {
    return null;
  }
}
// What the page offers; the API decides.
export function may(role: "planner" | "approver"): boolean {
  return !byToken() || (claims()?.["cognito:groups"] ?? []).includes(role);
}

const encoded = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const decoded = (text: string): Uint8Array =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const random = (): string => encoded(crypto.getRandomValues(new Uint8Array(32)));
const here = (): string => `${location.origin}${location.pathname}`;

export async function signIn(): Promise<void> {
  const { domain, client_id, scope } = config.sign_in!;
  const verifier = random();
  const state = random();
  sessionStorage.setItem(VERIFIER, verifier);
  sessionStorage.setItem(STATE, JSON.stringify({ state, hash: location.hash }));
  const challenge = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
  const asked = new URLSearchParams({
    response_type: "code", client_id, redirect_uri: here(), state, scope: [...new Set(["openid", "email", scope])].filter(Boolean).join(" "),
    code_challenge: encoded(challenge), code_challenge_method: "S256",
  });
  location.assign(`${domain}/oauth2/authorize?${asked}`);
}

// The second half: the sign-in page sent the browser back with a code. Returns false if there is none, or it is not ours.
export async function finishSignIn(): Promise<boolean> {
  const given = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(STATE) ?? "null");
  const verifier = sessionStorage.getItem(VERIFIER);
  if (!byToken() || !kept || !verifier || !(given.has("code") || given.has("error"))) return false;
  sessionStorage.removeItem(STATE);
  sessionStorage.removeItem(VERIFIER);
  history.replaceState(null, "", here() + kept.hash);
  if (given.get("state") !== kept.state || !given.has("code")) return false;
  return exchange({ grant_type: "authorization_code", code: given.get("code")!, redirect_uri: here(), code_verifier: verifier }, null);
}

let renewing: Promise<boolean> | null = null;
// Replaces a token that is about to end; requests at the same time share one exchange. False: sign in again.
export async function renew(force = false): Promise<boolean> {
  const kept = session();
  if (!byToken() || !kept) return false;
  if (!force && Date.now() < kept.until - EARLY) return true;
  if (!kept.refresh) return !force && Date.now() < kept.until;
  renewing ??= exchange({ grant_type: "refresh_token", refresh_token: kept.refresh }, kept.refresh).finally(() => { renewing = null; });
  return renewing;
}

async function exchange(asked: Record<string, string>, refresh: string | null): Promise<boolean> {
  const { domain, client_id, scope } = config.sign_in!;
  try {
    const answer = await fetch(`${domain}/oauth2/token`, { method: "POST", body: new URLSearchParams({ ...asked, client_id }) });
    if (!answer.ok) return false;
    const tokens = (await answer.json()) as Tokens;
    // Scopes are in the access token; without one the authorizer of API Gateway takes the identity token alone. A pool
    // that does not rotate refresh tokens leaves them out of the second answer.
    const found: Session = { token: scope ? tokens.access_token : tokens.id_token, refresh: tokens.refresh_token ?? refresh, until: Date.now() + tokens.expires_in * 1000 };
    sessionStorage.setItem(SESSION, JSON.stringify(found));
    return true;
  } catch {
    return false;
  }
}
