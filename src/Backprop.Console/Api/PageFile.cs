using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.AspNetCore.StaticFiles;

namespace Backprop.Console.Api;

/// <summary>How a file of the page may be sent.</summary>
internal enum PageCoding
{
    /// <summary>As it is.</summary>
    Identity,

    /// <summary>Compressed by gzip.</summary>
    Gzip,

    /// <summary>Compressed by Brotli.</summary>
    Brotli,
}

/// <summary>The bytes of a file in one coding.</summary>
/// <param name="Bytes">What is sent.</param>
/// <param name="Tag">Names these bytes, in quotes.</param>
internal sealed record PageContent(byte[] Bytes, string Tag);

/// <summary>A file of the page. It is compressed when it is first asked for, once.</summary>
internal sealed class PageFile
{
    // Below this a compressed answer is hardly shorter.
    private const int LeastCompressed = 400;

    private readonly byte[] _bytes;
    private readonly Lazy<PageContent> _identity;
    private readonly Lazy<PageContent> _gzip;
    private readonly Lazy<PageContent> _brotli;

    /// <summary>A file.</summary>
    /// <param name="name">Its name, for its type.</param>
    /// <param name="bytes">Its content.</param>
    public PageFile(string name, byte[] bytes)
    {
        _bytes = bytes;
        ContentType = TypeOf(name);
        string sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes));
        _identity = new Lazy<PageContent>(() => new PageContent(bytes, $"\"{sha256}\""));
        _gzip = new Lazy<PageContent>(() => new PageContent(
            Compressed(to => new GZipStream(to, CompressionLevel.SmallestSize)),
            $"\"{sha256}-gzip\""));
        _brotli = new Lazy<PageContent>(() => new PageContent(
            Compressed(to => new BrotliStream(to, CompressionLevel.SmallestSize)),
            $"\"{sha256}-br\""));
    }

    /// <summary>What it is.</summary>
    public string ContentType { get; }

    /// <summary>Whether it is sent compressed to whoever takes that.</summary>
    public bool IsCompressible => _bytes.Length >= LeastCompressed
        && (ContentType.StartsWith("text/", StringComparison.Ordinal)
            || ContentType.StartsWith("image/svg", StringComparison.Ordinal)
            || ContentType.StartsWith("application/json", StringComparison.Ordinal));

    /// <summary>Its bytes in a coding.</summary>
    public PageContent In(PageCoding coding) => coding switch
    {
        PageCoding.Brotli => _brotli.Value,
        PageCoding.Gzip => _gzip.Value,
        _ => _identity.Value,
    };

    private static string TypeOf(string name)
    {
        if (!new FileExtensionContentTypeProvider().TryGetContentType(name, out string? type))
        {
            // A licence, for example.
            type = "text/plain";
        }

        return type.StartsWith("text/", StringComparison.Ordinal)
            ? $"{type}; charset=utf-8"
            : type;
    }

    private byte[] Compressed(Func<Stream, Stream> compressor)
    {
        using var compressed = new MemoryStream();
        using (Stream into = compressor(compressed))
        {
            into.Write(_bytes);
        }

        return compressed.ToArray();
    }
}
