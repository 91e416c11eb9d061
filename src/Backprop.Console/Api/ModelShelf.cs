using Backprop.Distributed.Nodes;
using Backprop.Models;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Console.Api;

/// <summary>A few trained models in memory. One thing at a time is done with them.</summary>
/// <param name="plugins">The plug-ins that they may have layers of.</param>
internal sealed class ModelShelf(LayerPlugins plugins) : IDisposable
{
    private const int MaxModels = 4;
    private const long MaxBytes = 1L << 30;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly LinkedList<(string Sha256, Model Model)> _models = new();

    /// <summary>Does something with a model, on a thread of its own.</summary>
    /// <param name="stored">Which model.</param>
    /// <param name="name">For messages.</param>
    /// <param name="read">Reads its file.</param>
    /// <param name="use">Computes.</param>
    /// <param name="cancellation">Of the wait.</param>
    /// <exception cref="TimeoutException">Others took too long.</exception>
    /// <exception cref="MistakeException">The model is too large.</exception>
    /// <exception cref="ModelException">It is damaged.</exception>
    /// <exception cref="CheckpointException">It could not be read.</exception>
    public async Task<T> UseAsync<T>(
        StoredFile stored, string name,
        Func<StoredFile, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<byte>>> read,
        Func<Model, T> use, CancellationToken cancellation)
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
            Model model = Find(stored.Sha256)
                ?? Keep(stored.Sha256, await LoadAsync(stored, name, read, cancellation));
            return await ComputeThread<T>.RunAsync("prediction", () => use(model));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, model) in _models)
        {
            model.Dispose();
        }

        _turn.Dispose();
    }

    private async Task<Model> LoadAsync(
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
        return Model.Read(name, content, plugins);
    }

    private Model? Find(string sha256)
    {
        for (var node = _models.First; node is not null; node = node.Next)
        {
            if (node.Value.Sha256 == sha256)
            {
                _models.Remove(node);
                _models.AddFirst(node);
                return node.Value.Model;
            }
        }

        return null;
    }

    private Model Keep(string sha256, Model model)
    {
        _models.AddFirst((sha256, model));
        if (_models.Count > MaxModels)
        {
            _models.Last!.Value.Model.Dispose();
            _models.RemoveLast();
        }

        return model;
    }
}
