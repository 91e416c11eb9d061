using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.Loader;
using System.Security.Cryptography;
using Backprop.Engine.Plugins;
using Backprop.Training.Specification;

namespace Backprop.Models.Plugins;

/// <summary>Loads plug-ins from a folder: those that are allowed by name and digest, and nothing
/// else that lies there. A plug-in is one assembly, which uses .NET and the engine.</summary>
public static class PluginFolder
{
    private const long MaxBytes = 64L << 20;

    // Code stays loaded until the process ends, so what is loaded once is not loaded again.
    private static readonly ConcurrentDictionary<string, Assembly> s_loaded = [];

    /// <summary>Loads plug-ins.</summary>
    /// <param name="folder">Where they lie.</param>
    /// <param name="allowed">Which; the folder is not looked at where there are none.</param>
    /// <exception cref="LayerPluginException">One is not there, has another digest, is no assembly
    /// of layers, is built for another version of the contract, calls what differs between
    /// machines, or has a kind of layer that another has.</exception>
    /// <exception cref="IOException">One cannot be read.</exception>
    public static LayerPlugins Load(string folder, ImmutableArray<AllowedPlugin> allowed) =>
        allowed.IsEmpty
            ? LayerPlugins.None
            : LayerPlugins.Of(allowed.Select(plugin => Load(folder, plugin)));

    private static LayerPlugin Load(string folder, AllowedPlugin allowed)
    {
        string path = Path.Combine(folder, allowed.File);
        byte[] content = Read(path);
        string sha256 = Convert.ToHexStringLower(SHA256.HashData(content));
        if (sha256 != allowed.Sha256)
        {
            throw new LayerPluginException(
                $"plug-in '{path}' has the SHA-256 {sha256}, and {allowed.Sha256} is allowed "
                + "(plugins.allow)");
        }

        // What is looked at and loaded are the bytes that the digest was taken of.
        if (!s_loaded.TryGetValue(sha256, out Assembly? assembly))
        {
            PluginCode.Check(path, content);
            assembly = s_loaded.GetOrAdd(sha256, _ => LoadAssembly(path, content));
        }

        return new LayerPlugin(allowed.File, sha256, FactoriesOf(path, assembly));
    }

    private static byte[] Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new LayerPluginException(
                $"plug-in '{path}' is not there, though it is allowed (plugins.folder, "
                + "plugins.allow)");
        }

        long length = new FileInfo(path).Length;
        return length <= MaxBytes
            ? File.ReadAllBytes(path)
            : throw new LayerPluginException(
                $"plug-in '{path}' has {length:N0} bytes; one has at most {MaxBytes:N0}");
    }

    private static Assembly LoadAssembly(string path, byte[] content)
    {
        try
        {
            using var stream = new MemoryStream(content, writable: false);
            return new PluginContext(path).LoadFromStream(stream);
        }
        catch (Exception failure) when (failure is BadImageFormatException or FileLoadException)
        {
            throw new LayerPluginException(
                $"plug-in '{path}' cannot be loaded: {failure.Message}", failure);
        }
    }

    private static ImmutableArray<ILayerFactory> FactoriesOf(string path, Assembly assembly)
    {
        try
        {
            return
            [
                .. assembly.GetExportedTypes()
                    .Where(type => type is { IsClass: true, IsAbstract: false }
                        && type.IsAssignableTo(typeof(ILayerFactory))
                        && type.GetConstructor([]) is not null)
                    .OrderBy(type => type.FullName, StringComparer.Ordinal)
                    .Select(type => (ILayerFactory)Activator.CreateInstance(type)!),
            ];
        }
        catch (Exception failure) when (failure is TypeLoadException or FileNotFoundException
            or FileLoadException or MissingMemberException or TargetInvocationException
            or ReflectionTypeLoadException)
        {
            throw new LayerPluginException(
                $"plug-in '{path}' cannot be used: "
                + (failure.InnerException ?? failure).Message
                + " (a plug-in is one assembly, which uses .NET and Backprop.Engine)", failure);
        }
    }

    /// <summary>A plug-in's own code; what it refers to is the program's.</summary>
    private sealed class PluginContext(string path) : AssemblyLoadContext($"plug-in {path}")
    {
        protected override Assembly? Load(AssemblyName assemblyName) => null;
    }
}
