import { ProxyFailure, type ListenerPolicy, type LocalAnswer } from '@rp/core';
import { FieldId, appendField, removeField, type RequestHead, type ResponseHead } from '@rp/parser';
import {
  clientIdentity,
  hstsApplies,
  hstsValue,
  httpsRedirect,
  identityFields,
  isIdentityField,
  type CertificateStore,
} from '@rp/tls';
import type { TLSSocket } from 'node:tls';
import type { Listener } from '../config/index.ts';

const nothing: readonly string[] = [];

/**
 * What a listener does with requests before the pipeline sees them, and with responses. One per listener for its
 * whole life: a reload changes what it says, also to connections that are open.
 */
export class ListenerRules implements ListenerPolicy {
  #redirectPort = 0;
  #asksClients = false;
  #guardsIdentity = false;
  #hsts: readonly string[] = nothing;
  /** Set where hosts must be covered by a certificate. */
  #store: CertificateStore | undefined = undefined;

  /** @param guardsIdentity some listener vouches for clients: nobody else may */
  update(listener: Listener, guardsIdentity: boolean, store: CertificateStore | undefined): void {
    const { redirectToHttps, tls } = listener;
    this.#redirectPort = redirectToHttps?.port ?? 0;
    this.#asksClients = tls !== null && tls.clientAuth.mode !== 'none';
    this.#guardsIdentity = guardsIdentity;
    this.#store = tls?.strictSni === true ? store : undefined;
    const hsts = tls?.hsts ?? null;
    this.#hsts =
      hsts === null
        ? nothing
        : ['Strict-Transport-Security', hstsValue({ ...hsts, maxAge: Math.floor(hsts.maxAge / 1000) })];
  }

  identify(socket: TLSSocket): readonly string[] {
    return this.#asksClients ? identityFields(clientIdentity(socket)).flat() : nothing;
  }

  admit(request: RequestHead, identity: readonly string[]): LocalAnswer | ProxyFailure | undefined {
    if (this.#redirectPort !== 0) return redirect(request, this.#redirectPort);
    if (this.#guardsIdentity) {
      for (let i = request.ids.length - 1; i >= 0; i--) {
        if (request.ids[i] === FieldId.other && isIdentityField(request.nameAt(i)))
          removeField(request, request.nameAt(i));
      }
      for (let i = 0; i + 1 < identity.length; i += 2) appendField(request, identity[i]!, identity[i + 1]!);
    }
    // A connection for one name must not be used for another that this listener has no certificate for (9110 §15.5.20).
    if (this.#store?.select(hostOf(request.host), Date.now()).kind === 'unknown') {
      return new ProxyFailure('MISDIRECTED', `no certificate for ${request.host}`);
    }
    return undefined;
  }

  responseFields(request: RequestHead, head: ResponseHead | undefined): readonly string[] {
    if (this.#hsts === nothing || !hstsApplies(true, request.host)) return nothing;
    return head !== undefined && hasHsts(head) ? nothing : this.#hsts;
  }
}

function redirect(request: RequestHead, port: number): LocalAnswer | ProxyFailure {
  const answer = httpsRedirect(request.host === '' ? undefined : request.host, request.path, port);
  if (answer.kind === 'refuse') return new ProxyFailure('BAD_REQUEST', answer.reason);
  return { status: answer.status, fields: ['Location', answer.location] };
}

function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, '');
}

function hasHsts(head: ResponseHead): boolean {
  for (let i = 0; i < head.ids.length; i++) {
    if (head.ids[i] === FieldId.other && head.nameAt(i).toLowerCase() === 'strict-transport-security')
      return true;
  }
  return false;
}
