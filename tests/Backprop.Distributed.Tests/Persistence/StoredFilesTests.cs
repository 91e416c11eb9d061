using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>What one node stored, another reads whole, or is told why not.</summary>
public sealed class StoredFilesTests : IDisposable
{
    private static readonly StoragePatience s_patience =
        new(TimeSpan.FromSeconds(30), 3, TimeSpan.FromMilliseconds(1));

    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(FilePiece.MaxBytes)]
    [InlineData(FilePiece.MaxBytes + 1)]
    public async Task A_file_is_read_as_it_was_stored(int length)
    {
        byte[] content = Content(length);
        StoredFile file;
        using (ActorSystem before = await StateFolder.StartAsync(_folder.Options))
        {
            file = await Files(before).SaveAsync("model/a", content, default);
            await before.Terminate();
        }

        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        Assert.Equal(content, await ReadAsync(Files(system), file));
        await system.Terminate();
    }

    [Fact]
    public async Task A_file_stored_again_with_other_content_leaves_the_first_whole()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        StoredFiles files = Files(system);
        StoredFile first = await files.SaveAsync("model/a", Content(5), default);
        StoredFile second = await files.SaveAsync("model/a", Content(7), default);

        Assert.Equal(Content(5), await ReadAsync(files, first));
        Assert.Equal(Content(7), await ReadAsync(files, second));
        await system.Terminate();
    }

    [Fact]
    public async Task A_file_that_is_missing_or_has_another_length_is_refused()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        StoredFiles files = Files(system);
        StoredFile file = await files.SaveAsync("model/a", Content(5), default);

        var missing = await Assert.ThrowsAsync<CheckpointException>(
            () => ReadAsync(files, file with { Place = "model/b" }));
        Assert.Contains("'model/b' is missing", missing.Message);
        var damaged = await Assert.ThrowsAsync<CheckpointException>(
            () => ReadAsync(files, file with { Bytes = 6 }));
        Assert.Contains("damaged", damaged.Message);
        await system.Terminate();
    }

    private static StoredFiles Files(ActorSystem system) =>
        new(system, s_patience, TimeProvider.System);

    private static byte[] Content(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (byte)(i * 7 >> 2))];

    private static async Task<byte[]> ReadAsync(StoredFiles files, StoredFile file)
    {
        var read = new List<byte>();
        await foreach (ReadOnlyMemory<byte> piece in files.ReadAsync(file, default))
        {
            read.AddRange(piece.Span);
        }

        return [.. read];
    }
}
