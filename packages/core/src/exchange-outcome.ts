/**
 * How an exchange ended: the response was handed on whole; it was an answer of the proxy's own; it was cut short;
 * the client left before; or the connection became a tunnel.
 */
export type ExchangeOutcome = 'done' | 'answered' | 'cut' | 'clientGone' | 'tunnelled';
