using System.Diagnostics.CodeAnalysis;
using Backprop.Engine.Plugins;

namespace Backprop.Models.Plugins;

/// <summary>A plug-in that may be loaded: written <c>Acme.Layers.dll#sha256=ab12…</c>, as files of
/// data by HTTP are.</summary>
/// <param name="File">The file's name, without a folder.</param>
/// <param name="Sha256">Of its content: 64 hex digits in lower case.</param>
public sealed record AllowedPlugin(string File, string Sha256)
{
    private const string DigestPrefix = "#sha256=";
    private const int DigestLength = 64;

    /// <summary>What <see cref="TryParse"/> reads, in words.</summary>
    public const string Form =
        "the name of a file in the folder with '#sha256=' and its digest, as sha256sum prints it";

    /// <summary>Reads what is allowed.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out AllowedPlugin? allowed)
    {
        int split = text.LastIndexOf(DigestPrefix, StringComparison.Ordinal);
        string file = split < 0 ? "" : text[..split];
        string digest = split < 0 ? "" : text[(split + DigestPrefix.Length)..];
        bool isName = file.Length > 0 && file is not ("." or "..")
            && file.IndexOfAny(['/', '\\', '\0']) < 0;
        allowed = isName && digest.Length == DigestLength && digest.All(char.IsAsciiHexDigit)
            ? new AllowedPlugin(file, digest.ToLowerInvariant())
            : null;
        return allowed is not null;
    }
}
