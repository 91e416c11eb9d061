using System.Globalization;
using Backprop.Training.Checkpoints;

namespace Backprop.Console.Storage;

/// <summary>
/// Keeps a run's checkpoints as files of its directory, <c>checkpoint-000000001200.bpc</c> by step:
/// the newest few, each written whole or not at all. A damaged one is set aside under another name
/// and the one before it used.
/// </summary>
internal sealed class CheckpointFiles : ICheckpointStore
{
    private const string Prefix = "checkpoint-";
    private const string Extension = ".bpc";
    private const string DamagedExtension = ".damaged";
    private readonly string _directory;
    private readonly int _keep;

    /// <summary>Checkpoints in a directory that exists.</summary>
    /// <param name="directory">The run's directory.</param>
    /// <param name="keep">How many to keep, at least 2.</param>
    public CheckpointFiles(string directory, int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 2);
        _directory = directory;
        _keep = keep;
    }

    /// <summary>What was wrong with checkpoints that <see cref="Load"/> passed over, newest first.
    /// </summary>
    public IReadOnlyList<string> Damage { get; private set; } = [];

    /// <inheritdoc/>
    public void Save(Checkpoint checkpoint)
    {
        string path = Path.Combine(_directory, NameOf(checkpoint.Header.Position.Step));
        try
        {
            DurableFile.Write(path, checkpoint.WriteTo);
            foreach (string old in NewestFirst().Where(file => file != path).Skip(_keep - 1))
            {
                File.Delete(old);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(
                $"cannot write the checkpoint '{path}': {failure.Message} "
                + "The checkpoints before it are untouched", failure);
        }
    }

    /// <inheritdoc/>
    public Checkpoint? Load()
    {
        var damage = new List<string>();
        Damage = damage;
        DeletePartial();
        string[] files = [.. NewestFirst()];
        foreach (string file in files)
        {
            try
            {
                using FileStream stream = File.OpenRead(file);
                return Checkpoint.ReadFrom(stream);
            }
            catch (Exception failure) when (
                failure is CheckpointException or IOException or UnauthorizedAccessException)
            {
                damage.Add($"'{file}': {failure.Message}");
            }

            SetAside(file);
        }

        return damage.Count == 0
            ? null
            : throw new CheckpointException(
                "no checkpoint can be read: " + string.Join("; ", damage));
    }

    /// <summary>The newest whole checkpoint at or before a step; null: there is none. Nothing is
    /// changed by it, so that the run may train meanwhile. The caller disposes it.</summary>
    public Checkpoint? LoadAtOrBefore(long step)
    {
        string last = Path.Combine(_directory, NameOf(step));
        foreach (string file in NewestFirst().Where(
            file => string.CompareOrdinal(file, last) <= 0))
        {
            try
            {
                using FileStream stream = File.OpenRead(file);
                return Checkpoint.ReadFrom(stream);
            }
            catch (Exception failure) when (failure is CheckpointException or IOException)
            {
                // It is damaged, or the run has let go of it: the one before does as well.
            }
        }

        return null;
    }

    /// <summary>Deletes every checkpoint: the run starts anew.</summary>
    public void DeleteAll()
    {
        foreach (string file in NewestFirst())
        {
            File.Delete(file);
        }

        DeletePartial();
    }

    private static string NameOf(long step) =>
        Prefix + step.ToString("D12", CultureInfo.InvariantCulture) + Extension;

    // What a process left that was killed while it wrote.
    private void DeletePartial()
    {
        foreach (string file in Directory.EnumerateFiles(
            _directory, Prefix + "*" + DurableFile.PartialSuffix))
        {
            File.Delete(file);
        }
    }

    private IEnumerable<string> NewestFirst() =>
        Directory.EnumerateFiles(_directory, $"{Prefix}*{Extension}")
            .OrderDescending(StringComparer.Ordinal);

    // Kept for whoever wants to know what happened to it, but no longer counted among those kept.
    private static void SetAside(string file) =>
        File.Move(file, file + DamagedExtension, overwrite: true);
}
