using Backprop.Console.Storage;
using Backprop.Distributed.Nodes;
using Backprop.Training.Checkpoints;

namespace Backprop.Console.Api;

/// <summary>A few trained models in memory. One thing at a time is done with them.</summary>
internal sealed class ModelShelf : IDisposable
{
    private const int MaxModels = 4;
    private const long MaxBytes = 1L << 30;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly LinkedList<(string Sha256, ModelFile File)> _models = new();

    /// <summary>Does something with a model, on a thread of its own.</summary>
    /// <param name="stored">Which model.</param>
    /// <param name="name">For messages.</param>
    /// <param name="read">Reads its file.</param>
    /// <param name="use">Computes.</param>
    /// <param name="cancellation">Of the wait.</param>
    /// <exception cref="TimeoutException">Others took too long.</exception>
    /// <exception cref="MistakeException">The model is too large, or damaged.</exception>
    /// <exception cref="CheckpointException">It could not be read.</exception>
    public async Task<T> UseAsync<T>(
        StoredFile stored, string name,
        Func<StoredFile, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<byte>>> read,
        Func<ModelFile, T> use, CancellationToken cancellation)
    {
        if (stored.Bytes > MaxBytes)
        {
            throw new MistakeException(
                $"{name} has {stored.Bytes:N0} bytes; models of at most {MaxBytes:N0} are tried"
                + " here: download it, and use 'backprop predict'");
        }

        if (!await _turn.WaitAsync(s_patience, cancellation))
        {
            throw new TimeoutException("others use models of this node; try again");
        }

        try
        {
            ModelFile file = Find(stored.Sha256)
                ?? Keep(stored.Sha256, await LoadAsync(stored, name, read, cancellation));
            return await ComputeThread<T>.RunAsync("prediction", () => use(file));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, file) in _models)
        {
            file.Dispose();
        }

        _turn.Dispose();
    }

    private static async Task<ModelFile> LoadAsync(
        StoredFile stored, string name,
        Func<StoredFile, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<byte>>> read,
        CancellationToken cancellation)
    {
        using var content = new MemoryStream((int)stored.Bytes);
        await foreach (ReadOnlyMemory<byte> piece in
            read(stored, cancellation).WithCancellation(cancellation))
        {
            content.Write(piece.Span);
        }

        content.Position = 0;
        return ModelFile.Read(name, content);
    }

    private ModelFile? Find(string sha256)
    {
        for (var node = _models.First; node is not null; node = node.Next)
        {
            if (node.Value.Sha256 == sha256)
            {
                _models.Remove(node);
                _models.AddFirst(node);
                return node.Value.File;
            }
        }

        return null;
    }

    private ModelFile Keep(string sha256, ModelFile file)
    {
        _models.AddFirst((sha256, file));
        if (_models.Count > MaxModels)
        {
            _models.Last!.Value.File.Dispose();
            _models.RemoveLast();
        }

        return file;
    }
}
