using System.Security.Cryptography;
using Acme.Layers;

namespace Backprop.Console.Tests;

/// <summary>The plug-in of <c>examples/Acme.Layers</c>, as it was built with the tests.</summary>
internal static class ExamplePlugin
{
    public static string File { get; } = typeof(SwishFactory).Assembly.Location;

    /// <summary>What lets a program load it.</summary>
    public static IReadOnlyDictionary<string, string> Variables { get; } = VariablesOf(File);

    /// <summary>What lets a program load a file.</summary>
    public static Dictionary<string, string> VariablesOf(string file) => new()
    {
        ["BACKPROP__PLUGINS__FOLDER"] = Path.GetDirectoryName(file)!,
        ["BACKPROP__PLUGINS__ALLOW"] = $"{Path.GetFileName(file)}#sha256={Sha256Of(file)}",
    };

    public static string Sha256Of(string file) =>
        Convert.ToHexStringLower(SHA256.HashData(System.IO.File.ReadAllBytes(file)));
}
