using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Backprop.Data.Sources;

/// <summary>A file that is got by HTTP, and known by its content: written as its URL with the
/// SHA-256 behind it, <c>https://host/images.gz#sha256=ab12…</c>.</summary>
/// <param name="Url">Where it is, without the digest.</param>
/// <param name="Sha256">Of its content: 64 hex digits in lower case.</param>
public sealed record RemoteFile(Uri Url, string Sha256)
{
    private const string DigestPrefix = "#sha256=";
    private const int DigestLength = 64;

    private static readonly SearchValues<char> HexDigits =
        SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>Whether a file's name is a URL, right or wrong, and not a path.</summary>
    public static bool IsUrl(string text) => text.Contains("://", StringComparison.Ordinal);

    /// <summary>Reads a URL.</summary>
    /// <param name="text">The URL with the digest.</param>
    /// <param name="file">The file.</param>
    /// <param name="mistake">What is wrong with it, and what would be right.</param>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out RemoteFile? file,
        [NotNullWhen(false)] out string? mistake)
    {
        file = null;
        mistake = null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? url)
            || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps))
        {
            mistake = "a file is got from an http or https URL, or named by its path";
        }
        else if (url.UserInfo.Length > 0)
        {
            mistake = "a URL must not hold a user's name or password: specifications are kept and"
                + " shown";
        }
        else if (!IsDigest(url.Fragment))
        {
            mistake = "a URL needs the SHA-256 of its file, which decides whether the right data"
                + $" came: add {DigestPrefix} and {DigestLength} hex digits, as sha256sum prints"
                + " them";
        }
        else
        {
            file = new RemoteFile(
                new UriBuilder(url) { Fragment = "" }.Uri,
                url.Fragment[DigestPrefix.Length..].ToLowerInvariant());
        }

        return file is not null;
    }

    /// <summary>The URL.</summary>
    public override string ToString() => Url.AbsoluteUri;

    private static bool IsDigest(string fragment) =>
        fragment.StartsWith(DigestPrefix, StringComparison.Ordinal)
        && fragment.Length == DigestPrefix.Length + DigestLength
        && fragment.AsSpan(DigestPrefix.Length).IndexOfAnyExcept(HexDigits) < 0;
}
