// Who calls: an API key in the local cloud, a token of Cognito (authorization code with PKCE) where the API asks for one.
export interface Config { auth: string; sign_in: { domain: string; client_id: string; scope: string } | null }

const KEY = "slipcast.key";
const TOKEN = "slipcast.token";
const VERIFIER = "slipcast.verifier";
const STATE = "slipcast.state";

let config: Config = { auth: "key", sign_in: null };
export async function configure(): Promise<Config> {
  config = await (await fetch(new URL("config.json", document.baseURI))).json();
  return config;
}
export const byToken = (): boolean => config.auth === "jwt";

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN);
  if (byToken()) return token ? { Authorization: token } : {};
  const key = sessionStorage.getItem(KEY);
  return key ? { "x-api-key": key } : {};
}
export const signedIn = (): boolean => Object.keys(authorization()).length > 0;
export const useKey = (key: string): void => sessionStorage.setItem(KEY, key.trim());
export function signOut(): void {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(TOKEN);
}

interface Claims { email?: string; username?: string; "cognito:username"?: string; "cognito:groups"?: string[] }
export function claims(): Claims | null {
  const token = byToken() ? sessionStorage.getItem(TOKEN) : null;
  if (!token) return null;
  try {
    return JSON.parse(new TextDecoder().decode(decoded(token.split(".")[1]!)));
  } catch {
    return null;
  }
}
// What the page offers; the API decides.
export function may(role: "planner" | "approver"): boolean {
  const groups = claims()?.["cognito:groups"];
  const roles = groups?.filter((name) => ["viewer", "planner", "approver"].includes(name)) ?? [];
  return roles.length === 0 || roles.includes(role);
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
    response_type: "code", client_id, redirect_uri: here(), state, scope: ["openid", scope].filter(Boolean).join(" "),
    code_challenge: encoded(challenge), code_challenge_method: "S256",
  });
  location.assign(`${domain}/oauth2/authorize?${asked}`);
}

// The second half: the sign-in page sent the browser back with a code. Returns false if there is none, or it is not ours.
export async function finishSignIn(): Promise<boolean> {
  const given = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(STATE) ?? "null");
  const verifier = sessionStorage.getItem(VERIFIER);
  if (!byToken() || !given.get("code") || !kept || !verifier) return false;
  sessionStorage.removeItem(STATE);
  sessionStorage.removeItem(VERIFIER);
  history.replaceState(null, "", here() + kept.hash);
  if (given.get("state") !== kept.state) return false;
  const { domain, client_id, scope } = config.sign_in!;
  const body = new URLSearchParams({
    grant_type: "authorization_code", client_id, code: given.get("code")!, redirect_uri: here(), code_verifier: verifier,
  });
  const answer = await fetch(`${domain}/oauth2/token`, { method: "POST", body });
  if (!answer.ok) return false;
  const tokens = await answer.json();
  // Scopes are in the access token; without one the authorizer of API Gateway takes the identity token alone.
  sessionStorage.setItem(TOKEN, scope ? tokens.access_token : tokens.id_token);
  return true;
}
