using System.Collections.Immutable;
using Backprop.Data.Tensors;

namespace Backprop.Training.Interchange;

/// <summary>Tensors that a file may have under several names, since several layers compute with
/// them: PyTorch writes all of the names, Hugging Face's tools one.</summary>
public static class TiedTensors
{
    /// <summary>Chooses what is read of a file, each parameter once.</summary>
    /// <param name="tensors">As <see cref="PyTorchLayout"/> names them.</param>
    /// <param name="file">The file.</param>
    /// <param name="prefix">What stands before their names there.</param>
    /// <returns>What is to be read, without copies, under the names that the file has; and what is
    /// wrong: copies that differ.</returns>
    /// <exception cref="Data.InvalidDatasetException">A tensor cannot be read.</exception>
    public static (ImmutableArray<StridedTensor> Tensors, ImmutableArray<string> Mistakes) In(
        ImmutableArray<StridedTensor> tensors, ITensorFile file, string prefix = "")
    {
        List<StridedTensor> read = [.. tensors.Where(tensor => tensor.CopyOf is null)];
        var mistakes = ImmutableArray.CreateBuilder<string>();
        foreach (StridedTensor copy in tensors)
        {
            if (copy.CopyOf is not { } owner || file.Find(prefix + copy.Name) is not { } entry)
            {
                continue;
            }

            if (file.Find(prefix + owner) is not { } original)
            {
                int index = read.FindIndex(tensor => tensor.Name == owner);
                read[index] = read[index] with { Name = copy.Name };
            }
            else if (!original.Shape.SequenceEqual(entry.Shape)
                || !IsEqual(file, prefix + owner, prefix + copy.Name, copy.Count))
            {
                mistakes.Add(
                    $"'{prefix}{owner}' and '{prefix}{copy.Name}' of {file.Source} differ, and are "
                    + "one tensor in the network, whose layers are tied");
            }
        }

        return ([.. read], mistakes.ToImmutable());
    }

    // A tensor of another shape than the network's is told of by whoever reads it.
    private static bool IsEqual(ITensorFile file, string first, string second, int count)
    {
        if (file.Find(first)!.Shape.Aggregate(1L, (product, extent) => product * extent) != count)
        {
            return true;
        }

        float[] one = new float[count], other = new float[count];
        file.Read(first, one);
        file.Read(second, other);
        return one.AsSpan().SequenceEqual(other);
    }
}
