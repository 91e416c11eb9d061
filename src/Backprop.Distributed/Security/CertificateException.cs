namespace Backprop.Distributed.Security;

/// <summary>A certificate, a key or an authority that cannot be used; the message says which file,
/// what is wrong with it, and what would be right.</summary>
public sealed class CertificateException(string message, Exception? inner = null)
    : IOException(message, inner);
