using System.Collections.Frozen;
using System.Reflection;

namespace Backprop.Console.Api;

/// <summary>The page's files, by the paths that they are served at.</summary>
internal static class PageFiles
{
    private const string ResourcePrefix = "page/";
    private const string Start = "/index.html";

    private static readonly Lazy<FrozenDictionary<string, PageFile>> s_embedded = new(() =>
        Of(ReadResources(typeof(PageFiles).Assembly)));

    /// <summary>Those that come with the program.</summary>
    public static FrozenDictionary<string, PageFile> Embedded => s_embedded.Value;

    /// <summary>Of files by their names relative to the page's folder.</summary>
    public static FrozenDictionary<string, PageFile> Of(
        IEnumerable<KeyValuePair<string, byte[]>> files) => files
        .Select(file => KeyValuePair.Create(
            PathOf($"/{file.Key}"), new PageFile(file.Key, file.Value)))
        .ToFrozenDictionary(StringComparer.Ordinal);

    private static string PathOf(string path) => path == Start ? "/" : path;

    private static IEnumerable<KeyValuePair<string, byte[]>> ReadResources(Assembly assembly)
    {
        foreach (string resource in assembly.GetManifestResourceNames())
        {
            // A build on Windows names folders with backslashes.
            string name = resource.Replace('\\', '/');
            if (name.StartsWith(ResourcePrefix, StringComparison.Ordinal))
            {
                using Stream stream = assembly.GetManifestResourceStream(resource)!;
                var bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                yield return KeyValuePair.Create(name[ResourcePrefix.Length..], bytes);
            }
        }
    }
}
