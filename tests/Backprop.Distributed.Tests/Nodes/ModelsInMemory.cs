using System.Collections.Concurrent;
using System.Security.Cryptography;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Stored files that are forgotten with the test.</summary>
internal sealed class ModelsInMemory : IModelStore
{
    public ConcurrentDictionary<string, byte[]> Files { get; } = new();

    public Task<StoredFile> SaveAsync(
        string place, ReadOnlyMemory<byte> content, CancellationToken cancellation)
    {
        Files[place] = content.ToArray();
        return Task.FromResult(new StoredFile(
            place, content.Length, Convert.ToHexStringLower(SHA256.HashData(content.Span))));
    }
}
